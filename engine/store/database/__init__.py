"""Connections, transactions, keyset cursors, advisory locks, LISTEN/NOTIFY and the schema version."""
