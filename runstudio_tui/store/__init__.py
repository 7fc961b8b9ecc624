"""What we currently know: pollers and state of open screens. No Textual."""
