"""What the built-in ``store.*`` and ``links.*`` actions keep."""
