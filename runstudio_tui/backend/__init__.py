"""The deterministic fake behind the ports, and its worlds. The other backend is ``engine.client.Engine``."""
