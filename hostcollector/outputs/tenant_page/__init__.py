"""The tenant page: each VM's metrics, safe to hand to its owner, made from a snapshot."""

PATH = "/tenants/metrics"
