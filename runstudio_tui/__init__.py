"""Run Studio: the terminal UI for operators of the workflow engine."""
