"""TLS and authentication, over real sockets."""
