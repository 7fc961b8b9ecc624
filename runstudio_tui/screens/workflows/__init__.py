"""The workflows screen."""
