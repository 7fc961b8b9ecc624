"""Quota periods, leases and usage."""
