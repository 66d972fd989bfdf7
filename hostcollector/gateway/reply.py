"""What a request ends in, where it is not refused."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply: `body` in one piece, or a `stream` of pieces that nothing has read."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
