"""Human tasks: claiming, answering and cancelling them."""
