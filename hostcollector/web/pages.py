"""Snapshots to bytes, off the event loop, once for everybody who asks for the same page."""

import asyncio
import gzip
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from hostcollector.exposition import Format
from hostcollector.model import Snapshot
from hostcollector.web.workers import Workers

LONGEST_CACHE = 8
"""Pages kept of one snapshot; filters make more variants than scrapers use."""


class Encoder(Protocol):
    """What writes a page; may be called from several threads."""

    def encode(self, snapshot: Snapshot, form: Format, only: frozenset[str] | None = None) -> bytes:
        """Return the page with the families of the sources in `only`, None for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of the pages that can be made of a snapshot."""

    form: Format
    compressed: bool
    only: frozenset[str] | None = None


class Pages:
    """Encodes and keeps the pages of the last snapshot, so that ten scrapers cost one encoding."""

    def __init__(self, encoder: Encoder, workers: Workers) -> None:
        self._encoder = encoder
        self._workers = workers
        self._snapshot: Snapshot | None = None
        self._made: dict[Variant, asyncio.Task[bytes]] = {}

    async def get(self, snapshot: Snapshot, variant: Variant) -> bytes:
        """Return the bytes of the page, made now or a moment ago by somebody else."""
        if snapshot is not self._snapshot:
            self._snapshot, self._made = snapshot, {}
        task = self._made.get(variant)
        if task is None:
            if len(self._made) >= LONGEST_CACHE:
                del self._made[next(iter(self._made))]
            task = self._made[variant] = asyncio.create_task(self._make(snapshot, variant))
        # Shielded, because others may be waiting for the same page.
        return await asyncio.shield(task)

    async def _make(self, snapshot: Snapshot, variant: Variant) -> bytes:
        if not variant.compressed:
            return await self._workers.run(
                partial(self._encoder.encode, snapshot, variant.form, variant.only)
            )
        uncompressed = replace(variant, compressed=False)
        # An older snapshot, of a client that has waited long, must not push out the pages of the last one.
        current = snapshot is self._snapshot
        plain = await (self.get if current else self._make)(snapshot, uncompressed)
        # Level 1: a page is so repetitive that more effort saves little.
        return await self._workers.run(partial(gzip.compress, plain, 1, mtime=0))
