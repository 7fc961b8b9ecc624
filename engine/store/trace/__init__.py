"""What a run did: steps, attempts, waits, logs, payload values and snapshots."""
