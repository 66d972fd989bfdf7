"""What guests were given of the host: PCI functions, VFs, switch ports, partitions; owners and baselines."""
