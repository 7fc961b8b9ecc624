"""How the engine talks to a Temporal server: client, connection, data converter, payload codec."""
