"""Temporal activities: every contact of a run with the outside."""
