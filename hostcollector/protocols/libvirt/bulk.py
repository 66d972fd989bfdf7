"""The bulk read: all guests' statistics in a few parallel calls, around guests that hold one up.

1. Issue the shards, `width` calls at a time.
2. Take the records of calls that return.
3. If a call takes longer than `BLOCKED_AFTER_SECONDS`, sweep its guests. If some are blocked, set the worker
   aside and put the other guests into two new shards.
4. With too few free workers, ask for the waiting guests one by one.
5. At the deadline, set all calls aside that have not returned.

A hung guest so costs its own series only, also in the collection that meets it first.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import NamedTuple

from hostcollector.base.errors import SourceDeniedError, SourceTimeoutError, SourceUnavailableError
from hostcollector.base.lanes import Clock
from hostcollector.protocols.libvirt.pool import Pool
from hostcollector.protocols.libvirt.visit import BLOCKED_AFTER_SECONDS, sweep
from hostcollector.protocols.libvirt.worker import Record, Records, Worker

POLL_SECONDS = 0.1


class Shard(NamedTuple):
    """The guests of one call, and the groups of statistics that it asks for.

    The call is made only while more than `spare` workers are free.
    """

    uuids: Sequence[str]
    groups: int
    spare: int = 0


@dataclass(slots=True, eq=False)
class _Call:
    worker: Worker
    shard: Shard
    check_at: float
    given_up: bool = False


class BulkRead:
    """One collection's statistics calls, `width` at a time.

    Use once. `run` returns the records that came in time. `late` are then the guests of calls that did not
    return although none of their guests is blocked. `whole` returns whether a record is complete; `halted`
    returns those of some guests that are not to be asked again.
    """

    def __init__(
        self,
        pool: Pool,
        width: int,
        deadline: float,
        clock: Clock,
        *,
        whole: Callable[[Record], bool],
        halted: Callable[[Sequence[str]], Collection[str]] = lambda _uuids: (),
    ) -> None:
        self._pool = pool
        self._width = width
        self._deadline = deadline
        self._clock = clock
        self._whole = whole
        self._halted = halted
        self.late: set[str] = set()
        self._calls: dict[Future[Records], _Call] = {}
        self._waiting: list[Shard] = []
        self._one_by_one = False
        self._records: Records = {}
        self._error: SourceUnavailableError | SourceDeniedError | None = None

    def run(self, shards: Sequence[Shard]) -> Records:
        """Read the shards. Raises libvirt's error when there is one and no record at all."""
        self._waiting = [shard for shard in reversed(shards) if shard.uuids]
        while self._clock() < self._deadline:
            self._issue()
            if not self._under_way():
                if not self._waiting:
                    break
                self._go_one_by_one()
                continue
            done, _ = wait(self._calls, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                self._harvest(future)
            self._examine()
        self._abandon()
        if self._error is not None and not self._records:
            raise self._error
        return self._records

    def _under_way(self) -> int:
        return sum(not call.given_up for call in self._calls.values())

    def _issue(self) -> None:
        while self._under_way() < self._width:
            free = self._pool.free
            shard = next((shard for shard in reversed(self._waiting) if shard.spare < free), None)
            worker = self._pool.take(shard.spare) if shard else None
            if shard is None or worker is None:
                return
            self._waiting.remove(shard)
            future = worker.submit_stats(shard.uuids, shard.groups)
            self._calls[future] = _Call(worker, shard, self._clock() + BLOCKED_AFTER_SECONDS)

    def _go_one_by_one(self) -> None:
        """Split the waiting shards: with few workers left, a guest that answers must not lose its record.

        Each guest may cost the last free worker; those after it are not asked.
        """
        spare = max(0, self._pool.budget.spared - 1)
        singles = [
            Shard([uuid], shard.groups, min(shard.spare, spare))
            for shard in self._waiting
            for uuid in shard.uuids
        ]
        self._waiting = [] if self._one_by_one else singles
        self._one_by_one = True

    def _harvest(self, future: Future[Records]) -> None:
        call = self._calls.pop(future)
        if not call.given_up:
            self._pool.give_back(call.worker)
        try:
            records = future.result()
        except (SourceUnavailableError, SourceDeniedError) as error:
            self._error = error
            return
        for uuid, record in records.items():
            # The first complete record is kept. Two calls may meet at a guest: NOWAIT then makes one of them
            # step over it, and its record is incomplete.
            if uuid not in self._records or not self._whole(self._records[uuid]):
                self._records[uuid] = record

    def _examine(self) -> None:
        """Sweep the guests of calls that take long; ask again for those that are not blocked."""
        for call in list(self._calls.values()):
            now = self._clock()
            if call.given_up or now < call.check_at:
                continue
            try:
                answers = bool(self._records)
                seen = sweep(self._pool, call.shard.uuids, self._deadline, self._clock, answers=answers)
            except (SourceUnavailableError, SourceTimeoutError):
                return  # libvirt itself does not answer: calls end with their connections or at the deadline
            uuids, groups, _spare = call.shard
            culprits = [uuid for uuid in uuids if seen.blocked(uuid)]
            if culprits:
                call.given_up = True
                self._pool.set_aside(call.worker, culprits)
                rest = [uuid for uuid in uuids if uuid not in culprits and uuid not in self._records]
                halted = self._halted(rest)
                rest = [uuid for uuid in rest if uuid not in halted]
                # In two halves: if one guest hangs, others may too, and two calls meet them at once.
                spare = self._pool.budget.spared
                self._waiting += [Shard(half, groups, spare) for half in (rest[::2], rest[1::2]) if half]
            else:
                call.check_at = now + POLL_SECONDS

    def _abandon(self) -> None:
        """Set aside the calls that have not returned; every guest of such a call is a suspect."""
        for future, call in self._calls.items():
            if call.given_up:
                continue
            if future.done():
                self._pool.give_back(call.worker)
            else:
                self._pool.set_aside(call.worker, call.shard.uuids)
                self.late.update(call.shard.uuids)
