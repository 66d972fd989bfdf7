"""Gives a Python program another wall clock than the machine's: it is loaded before the program.

The file that HOSTCOLLECTOR_CLOCK names has the difference in seconds, as a float in the machine's byte order;
it may be written while the program runs. `tests.lab.wall_clock` makes the file and the environment.
"""

import mmap
import os
import struct
import time

_real, _real_ns = time.time, time.time_ns
with open(os.environ["HOSTCOLLECTOR_CLOCK"], "rb") as _file:  # noqa: PTH123 - pathlib is not loaded so early
    _difference = mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)


def _seconds() -> float:
    (seconds,) = struct.unpack("=d", _difference[:8])
    return float(seconds)


def _time() -> float:
    return _real() + _seconds()


def _time_ns() -> int:
    return _real_ns() + round(_seconds() * 1e9)


time.time, time.time_ns = _time, _time_ns
