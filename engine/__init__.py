"""Run Studio's workflow engine: definitions interpreted as Temporal workflows, recorded in Postgres."""

__version__ = "0.1.0"
