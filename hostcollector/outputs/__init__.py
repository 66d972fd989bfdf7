"""What is made of a snapshot: exposition, status page, `diagnose`, `top`, the table of metrics."""
