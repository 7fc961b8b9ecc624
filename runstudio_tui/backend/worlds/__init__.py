"""Named worlds of the fake backend."""
