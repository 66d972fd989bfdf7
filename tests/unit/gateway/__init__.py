"""The gateway without a store."""
