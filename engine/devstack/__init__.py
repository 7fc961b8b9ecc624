"""Embedded Postgres and a Temporal dev server for development, examples and tests."""
