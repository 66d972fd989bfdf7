"""Tests of the usage records."""
