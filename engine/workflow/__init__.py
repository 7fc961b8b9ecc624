"""The one Temporal workflow that hosts the interpreter."""
