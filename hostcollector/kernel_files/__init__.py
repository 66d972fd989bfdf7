"""Files of /proc, /sys and the control groups: reading one at small cost, and the forms that are shared."""

from hostcollector.kernel_files.numbers import cpu_count, integer, members
from hostcollector.kernel_files.process_stat import ProcessStat
from hostcollector.kernel_files.reading import GONE, NO_DESCRIPTOR, names, read, read_record

__all__ = [
    "GONE",
    "NO_DESCRIPTOR",
    "ProcessStat",
    "cpu_count",
    "integer",
    "members",
    "names",
    "read",
    "read_record",
]
