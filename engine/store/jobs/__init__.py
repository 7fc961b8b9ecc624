"""Jobs: one operation over everything that matches a filter."""
