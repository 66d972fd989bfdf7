"""The files of /proc and /sys: reading them, and the numbers in them."""
