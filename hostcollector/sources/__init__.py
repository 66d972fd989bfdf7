"""The read paths, one file each; siblings do not import each other."""
