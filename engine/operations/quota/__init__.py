"""Quota periods, and the runs that wait for one."""
