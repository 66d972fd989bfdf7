"""Unit tests of the package config."""
