"""Tenants, their plans and tokens: a database that operators write, and a frozen copy that workers read."""
