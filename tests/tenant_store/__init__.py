"""The tenants' store as the role sets it up: real VictoriaMetrics, vmagent and nginx."""
