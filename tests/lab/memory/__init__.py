"""A hypervisor with two NUMA nodes, huge pages and control groups of version 2, as in `lab.sriov`."""
