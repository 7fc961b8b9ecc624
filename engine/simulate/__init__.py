"""The interpreter machine on a virtual clock: dry runs of a definition with fixtures."""
