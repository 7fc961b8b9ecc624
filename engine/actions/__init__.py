"""The action registry and the built-in actions."""
