"""The daemon that shows a hypervisor's QEMU guests from the outside, by tenant."""

__version__ = "0.1.0"
