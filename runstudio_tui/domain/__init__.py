"""What the records mean. Pure: no Textual, no I/O."""
