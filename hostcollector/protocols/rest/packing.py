"""Takes the bytes of an answer as they come, unpacked if it was packed, and no more of them than a limit."""

import zlib
from collections.abc import AsyncIterable

from hostcollector.base.errors import SourceMalformedError

# zlib's word for "gzip or zlib, as the header says" (zlib.h, inflateInit2).
_EITHER_HEADER = 47
_PLAIN = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


async def unpacked(chunks: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """Return all of an answer. Raises `SourceMalformedError`; also for one of more than `limit` bytes.

    Nothing packed is asked for, but there are controllers that hold their documents in no other form.
    """
    kind = encoding.strip().lower()
    if kind not in _PLAIN | _PACKED:
        raise SourceMalformedError("answered in an encoding that was not asked for")
    packed = zlib.decompressobj(_EITHER_HEADER) if kind in _PACKED else None
    content = bytearray()
    try:
        async for chunk in chunks:
            content += packed.decompress(chunk, limit - len(content) + 1) if packed else chunk
            if len(content) > limit:
                raise SourceMalformedError(f"answered with more than {limit} bytes")
    except zlib.error:
        raise SourceMalformedError("answered with something that is not packed as it says") from None
    if packed is not None and not packed.eof:
        raise SourceMalformedError("answered with something packed that breaks off")
    return bytes(content)
