"""Unit tests of the tenant page."""
