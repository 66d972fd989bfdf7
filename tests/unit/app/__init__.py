"""Unit tests of the package app."""
