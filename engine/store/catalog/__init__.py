"""Workflow definitions, payload schemas and bundles."""
