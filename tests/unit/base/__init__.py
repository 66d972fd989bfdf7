"""Unit tests of the package base."""
