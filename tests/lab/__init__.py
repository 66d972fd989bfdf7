"""A real hypervisor for tests and the demo: a libvirtd of its own, and QEMU guests that do exact work."""
