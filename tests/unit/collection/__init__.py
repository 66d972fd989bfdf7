"""Unit tests of the package collection."""
