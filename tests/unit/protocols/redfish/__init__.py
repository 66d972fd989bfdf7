"""The reader of BMCs, against one on the loopback over real TLS."""
