"""Turns a snapshot into the bytes of a page."""
