"""Starting, cancelling and replaying runs, and computing a run's state."""
