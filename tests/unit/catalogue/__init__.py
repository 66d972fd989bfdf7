"""Unit tests of the package catalogue."""
