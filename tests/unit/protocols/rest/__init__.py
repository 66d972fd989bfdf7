"""The reader of REST services, against one on the loopback over real TLS."""
