"""Activities of a run: claim and run an attempt, write the trace, open waits and child runs, lease quota, finish."""
