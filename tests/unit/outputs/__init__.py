"""Unit tests of the package outputs."""
