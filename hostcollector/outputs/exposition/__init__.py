"""Turns a snapshot into the bytes of a page.

`choose_format` and `accepts_gzip` read a request's headers, `Encoder` writes the page. Its output is the
same, byte for byte, as what the Prometheus project's Python client writes for the same families.
"""
