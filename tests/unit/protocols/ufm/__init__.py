"""Unit tests of the package ufm."""
