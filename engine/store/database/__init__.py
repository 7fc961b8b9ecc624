"""Connections, transactions, keyset cursors, leases, LISTEN/NOTIFY and the schema version."""
