"""Rules for single values, each spelled once: JavaScript text and numbers, jsonb order, sizes."""
