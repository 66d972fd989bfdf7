"""Unit tests of the package devices."""
