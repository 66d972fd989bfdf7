"""A client of OVSDB, the database protocol of Open vSwitch and OVN (RFC 7047): follows, never writes.

It has no table by name: the `Watch` of a `Client` says what is followed.
"""
