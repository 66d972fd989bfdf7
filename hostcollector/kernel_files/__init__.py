"""Files of /proc, /sys and the control groups: reading one at small cost, and the forms that several share."""

from hostcollector.kernel_files.numbers import cpu_count, integer
from hostcollector.kernel_files.process_stat import ProcessStat
from hostcollector.kernel_files.reading import GONE, read, read_record

__all__ = ["GONE", "ProcessStat", "cpu_count", "integer", "read", "read_record"]
