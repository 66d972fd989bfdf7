"""Speed and memory, always two things in one run and their ratio."""
