"""Unit tests of the package netlink."""
