"""Actions that come with the engine."""
