"""Replaying runs: the dialog of one, with its preview, and that of several."""
