"""Usage: from the hosts' usage records to what a tenant sees and what billing pulls.

A record takes this way: `pulling` (one answer of a host) -> `intake` (rounds over all hosts) -> `ledger` (the
tables of `schema`, written by the intake alone) -> `selecting` (the rows of a tenant) -> `months`, `exports`.
"""
