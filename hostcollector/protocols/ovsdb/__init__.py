"""A client of OVSDB, the database protocol of Open vSwitch and OVN (RFC 7047): follows, never writes.

Knows no table by name; what is followed is the business of whoever makes a `Client`.
"""
