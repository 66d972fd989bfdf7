"""Unit tests of the package guests."""
