"""Snapshots to bytes, off the event loop, once for everybody who asks for the same page."""

import asyncio
import gzip
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hostcollector.base.model import Snapshot
from hostcollector.base.workers import Workers
from hostcollector.outputs.exposition.formats import Format

_END = b"# EOF\n"
"""What ends a page in OpenMetrics, and stands nowhere else."""

_COMPRESSED_END = gzip.compress(_END, 1, mtime=0)


class Encoder(Protocol):
    """What writes a page; may be called from several threads."""

    def encode(self, snapshot: Snapshot, form: Format, only: frozenset[str] | None = None) -> bytes:
        """Return the page with the families of the sources in `only`, None for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of the pages that can be made of a snapshot: of the sources in `only`, None for all."""

    form: Format
    compressed: bool
    only: frozenset[str] | None = None


class Pages:
    """Makes and keeps what was made of the last snapshot, so that ten scrapers cost one encoding.

    A page of some sources is put together from one piece for each, so whatever clients select, each source is
    encoded once in each format.
    """

    def __init__(self, encoder: Encoder, workers: Workers) -> None:
        self._encoder = encoder
        self._workers = workers
        self._snapshot: Snapshot | None = None
        self._made: dict[Hashable, asyncio.Task[bytes]] = {}

    async def get(self, snapshot: Snapshot, variant: Variant) -> Sequence[bytes]:
        """Return the pieces of the page, made now or a moment ago for somebody else."""
        if variant.only is None:
            return [await self._piece(snapshot, variant, None)]
        pieces = [await self._piece(snapshot, variant, source) for source in sorted(variant.only)]
        if variant.form is Format.OPENMETRICS:
            pieces.append(_COMPRESSED_END if variant.compressed else _END)
        return pieces

    async def view(self, snapshot: Snapshot, name: str, render: Callable[[Snapshot], bytes]) -> bytes:
        """Return what `render` makes of the snapshot; `name` tells it from other views."""
        return await self._kept(snapshot, name, partial(render, snapshot))

    async def _piece(self, snapshot: Snapshot, variant: Variant, source: str | None) -> bytes:
        key = (variant.form, source)
        plain = await self._kept(snapshot, key, partial(self._encode, snapshot, variant.form, source))
        if not variant.compressed:
            return plain
        # Level 1: a page is so repetitive that more effort saves little. Compressed pieces in a row are one
        # compressed file (RFC 1952, 2.2).
        return await self._kept(snapshot, (*key, "gzip"), partial(gzip.compress, plain, 1, mtime=0))

    def _encode(self, snapshot: Snapshot, form: Format, source: str | None) -> bytes:
        if source is None:
            return self._encoder.encode(snapshot, form)
        return self._encoder.encode(snapshot, form, frozenset({source})).removesuffix(_END)

    async def _kept(self, snapshot: Snapshot, key: Hashable, make: Callable[[], bytes]) -> bytes:
        if snapshot is not self._snapshot:
            if self._snapshot is not None and snapshot.taken_at < self._snapshot.taken_at:
                # A client that has waited long must not push out the pages of the last snapshot.
                return await self._workers.run(make)
            self._snapshot, self._made = snapshot, {}
        task = self._made.get(key)
        if task is None:
            task = self._made[key] = asyncio.create_task(self._workers.run(make))
        # Shielded, because others may be waiting for the same page.
        return await asyncio.shield(task)
