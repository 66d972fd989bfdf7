"""The vfio source over trees in the shape of a kernel's."""
