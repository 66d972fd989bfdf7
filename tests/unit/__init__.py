"""Unit tests of the package unit."""
