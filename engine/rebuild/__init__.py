"""The interpreter machine fed with recorded outcomes: state at any step, and replay previews."""
