"""Unit tests of the package protocols."""
