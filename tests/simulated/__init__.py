"""Hosts that no laboratory has, played to the real sources: whole pages of them, for people and for tests."""
