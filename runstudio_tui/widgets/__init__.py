"""How it is drawn. Widgets receive values and emit messages; they never fetch."""
