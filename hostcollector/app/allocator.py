"""Keeps the C library's allocator from holding memory that the daemon's many threads used once.

glibc gives every thread an arena of its own and keeps what was freed in it; with a dozen lanes that is
several MiB which nobody uses. Source: mallopt(3).
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 64 * 1024


def share_one_arena() -> bool:
    """Let all threads share one arena that gives large pieces back at once; before the threads start.

    Returns False where the C library has no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_ARENA_MAX, 1), (_TRIM_THRESHOLD, _LARGE), (_MMAP_THRESHOLD, _LARGE))
    return all(mallopt(option, value) == 1 for option, value in settings)
