"""Everything that runs in a worker process."""
