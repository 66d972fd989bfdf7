"""A fleet for Ansible and Prometheus: whole hypervisors of two Debian releases, in containers."""
