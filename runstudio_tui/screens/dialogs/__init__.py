"""Questions and lists over a screen."""
