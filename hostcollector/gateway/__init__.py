"""The program for tenants: each one reads the metrics of its own VMs, and of no other's.

A request takes this way: `api` -> `identity` (whose request it is) -> `promql` (the first lock) -> `store`
(the second lock) -> the tenants' store. `settings` is the configuration, `cli` the commands.
"""
