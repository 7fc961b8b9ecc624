"""The runs list."""
