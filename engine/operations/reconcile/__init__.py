"""Reconciling run rows with their Temporal executions."""
