"""The profile of collections: wall time and CPU time of each stage, as a table."""

import gzip
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hostcollector.base.model import Snapshot
from hostcollector.base.stopwatch import Lap, Stopwatch
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format

ROUND = "round"
"""The whole round; its CPU time is that of all threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """A stage's cost in a round: medians of the rounds, in seconds. Parallel laps are added up."""

    stage: str
    laps: float
    seconds: float
    cpu: float


def measure(collect: Callable[[], Snapshot], stopwatch: Stopwatch, rounds: int) -> list[StageCost]:
    """Make `rounds` collections and pages after one that fills the caches; return the stages' costs.

    Stages come in the order in which they end first; the whole round is the last.
    """
    encoder = Encoder()
    _round(collect, stopwatch, encoder)
    return _costs([_round(collect, stopwatch, encoder) for _ in range(rounds)])


def table(costs: Iterable[StageCost]) -> Iterator[str]:
    """Yield the table's lines."""
    yield f"{'stage':<28} {'laps':>5} {'ms':>9} {'CPU ms':>9}"
    for cost in costs:
        yield f"{cost.stage:<28} {cost.laps:>5g} {cost.seconds * 1e3:>9.2f} {cost.cpu * 1e3:>9.2f}"


def _round(collect: Callable[[], Snapshot], stopwatch: Stopwatch, encoder: Encoder) -> list[Lap]:
    stopwatch.take()
    started, used = time.perf_counter(), time.process_time()
    snapshot = collect()
    with stopwatch.stage("encode"):
        page = encoder.encode(snapshot, Format.TEXT)
    with stopwatch.stage("gzip"):
        gzip.compress(page, 1, mtime=0)
    whole = Lap(ROUND, time.perf_counter() - started, time.process_time() - used)
    return [*stopwatch.take(), whole]


def _costs(rounds: Sequence[Sequence[Lap]]) -> list[StageCost]:
    stages = list(dict.fromkeys(lap.stage for laps in rounds for lap in laps if lap.stage != ROUND))
    sums = [_sums(laps) for laps in rounds]
    return [_median(stage, [each[stage] for each in sums if stage in each]) for stage in (*stages, ROUND)]


def _sums(laps: Iterable[Lap]) -> Mapping[str, list[Lap]]:
    sums: dict[str, list[Lap]] = {}
    for lap in laps:
        sums.setdefault(lap.stage, []).append(lap)
    return sums


def _median(stage: str, rounds: Sequence[Sequence[Lap]]) -> StageCost:
    return StageCost(
        stage=stage,
        laps=statistics.median(len(laps) for laps in rounds),
        seconds=statistics.median(sum(lap.seconds for lap in laps) for laps in rounds),
        cpu=statistics.median(sum(lap.cpu for lap in laps) for laps in rounds),
    )
