"""Files of /proc, /sys and the control groups: reading one at small cost, and the forms that are shared."""
