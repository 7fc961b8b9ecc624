"""The attention screen."""
