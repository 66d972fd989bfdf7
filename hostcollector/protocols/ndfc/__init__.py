"""A reader of Cisco's Nexus Dashboard Fabric Controller (NDFC): which network each VLAN of the fabric is.

Only reads, one request at a time, in the background; an account with a read-only role is enough.
"""
