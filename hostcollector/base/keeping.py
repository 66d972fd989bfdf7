"""For how long the answers are kept that are read now and then: they do not end all at once."""

from hashlib import blake2b


def kept_seconds(most: float, key: str) -> float:
    """Return for how long the answer for `key` is kept: at least half of `most` seconds, at most all of them.

    Keys have different times. So what was read of a hundred guests in the first collection is read again in
    many collections, a little in each. A checksum would not do: those of similar names are close together.
    """
    digest = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=4).digest()
    return most * (0.5 + int.from_bytes(digest) / 2**33)
