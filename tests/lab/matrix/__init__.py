"""The fault matrix: one fault after the other under two scrapers, each page judged, each row of a table."""
