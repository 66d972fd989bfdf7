"""Which guests run here, and their tenants."""
