"""Dashboards, alerts and recordings: clients of the page, held to the catalogue."""
