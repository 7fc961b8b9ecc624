"""Workflow definitions: the JSON language, publish checks, and the compiled Plan. Pure."""
