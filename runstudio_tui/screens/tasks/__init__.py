"""The tasks screen."""
