"""Unit tests of the package ovsdb."""
