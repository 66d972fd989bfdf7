"""The client of the fabric controller, against one on the loopback over real TLS."""
