"""What only a server has: roles, row policies, quotas."""
