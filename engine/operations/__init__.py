"""The verbs: publish, launch, cancel, reconcile."""
