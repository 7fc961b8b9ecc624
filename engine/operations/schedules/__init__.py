"""Schedules: Temporal's, and what comes of each occurrence."""
