"""Unit tests of the package kernel."""
