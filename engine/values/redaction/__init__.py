"""Redaction: what is hidden of a value before it leaves the engine, and how it is found."""
