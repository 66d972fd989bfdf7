"""Hostile bytes for everything that takes bytes from guests, operators, kernels and networks."""
