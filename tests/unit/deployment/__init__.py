"""Unit tests of the package deployment."""
