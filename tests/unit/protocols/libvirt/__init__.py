"""Unit tests of the package libvirt."""
