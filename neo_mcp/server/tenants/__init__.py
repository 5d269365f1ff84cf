"""Per-tenant state: one API client, hub and caches for each principal and token."""
