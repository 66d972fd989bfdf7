"""The gateway on real stores: VictoriaMetrics, and Prometheus where the second lock does not exist."""
