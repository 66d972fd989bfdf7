"""HTTP, TLS, passwords and limits. The event loop only moves bytes; what takes time runs in lanes."""
