"""The `sriov` source."""
