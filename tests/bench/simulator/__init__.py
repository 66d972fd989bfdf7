"""A simulated fleet under a real Prometheus."""
