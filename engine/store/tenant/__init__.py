"""Settings, roles, the audit log and workers of a tenant."""
