"""The nvml source over a library with NVML's binary interface."""
