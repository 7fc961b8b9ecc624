"""Publishing definitions, and moving them between installations as bundles."""
