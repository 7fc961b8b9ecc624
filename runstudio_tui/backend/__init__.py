"""Implementations of the ports: the engine adapter and the deterministic fake."""
