"""NVIDIA's UFM, the manager of an InfiniBand fabric: its partitions and their members."""
