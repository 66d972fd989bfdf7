"""A hypervisor whose network card can be split into VFs (SR-IOV), in software.

QEMU emulates a machine with an IOMMU and an Intel igb card. It boots a Debian kernel on the root file system
of the machine that we are on, shared read-only under a writable layer in memory: so everything that is
installed here is there, at the same paths, and nothing that happens there changes anything here.
"""
