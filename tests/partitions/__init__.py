"""Who is in which InfiniBand partition, and the client of UFM against one on the loopback over real TLS."""
