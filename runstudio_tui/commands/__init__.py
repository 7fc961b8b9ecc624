"""The command line: one module per group of commands. Part of the composition root, so it may import the engine."""
