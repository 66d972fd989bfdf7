"""For how long the answers are kept that are read now and then: they do not end all at once."""

from zlib import crc32


def kept_seconds(most: float, key: str) -> float:
    """Return for how long the answer for `key` is kept: at least half of `most` seconds, at most all of them.

    Keys have different times. So what was read of a hundred guests in the first collection is read again in
    many collections, a little in each.
    """
    return most * (0.5 + crc32(key.encode("utf-8", "surrogateescape")) / 2**33)
