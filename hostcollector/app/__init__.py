"""The program on the hypervisor: commands, wiring, life cycle, its pages over HTTP, systemd."""
