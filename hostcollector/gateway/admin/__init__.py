"""The operator's side: changes of the accounts, and the erasure of a tenant.

It is a process of its own, with its own listener and credentials. The processes that serve tenants import
none of it: they may not change accounts, and have no right to delete in the store.
"""
