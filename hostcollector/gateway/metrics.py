"""The gateway's own metrics, for the operator's Prometheus: one table, and one worker's counts."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hostcollector import __version__
from hostcollector.base.model import Kind

PREFIX = "hostcollector_gateway_"

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper ends of the buckets of durations, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A metric of the gateway; `name` is without the common beginning."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


FAMILIES: Mapping[str, Family] = {
    row.name: row
    for row in (
        Family(
            name="build_info", kind=Kind.GAUGE, help="1, with the gateway's version.", labels=("version",)
        ),
        Family(name="answers_total", kind=Kind.COUNTER, help="Answers with data."),
        Family(name="answer_bytes_total", kind=Kind.COUNTER, help="Bytes of answers."),
        Family(
            name="request_duration_seconds",
            kind=Kind.HISTOGRAM,
            help="How long requests with a good token took, the sending of the answer included.",
        ),
        Family(
            name="refusals_total",
            kind=Kind.COUNTER,
            help="Requests that were refused, by cause.",
            labels=("cause",),
        ),
        Family(
            name="store_failures_total",
            kind=Kind.COUNTER,
            help="Requests for which the store gave no answer, or a broken one.",
        ),
        Family(
            name="audit_failures_total",
            kind=Kind.COUNTER,
            help="Requests that were refused because they could not be recorded.",
        ),
        Family(
            name="store_lock_verified",
            kind=Kind.GAUGE,
            help="1 while the store's lock is verified; PromQL is stopped otherwise.",
        ),
        Family(
            name="accounts_age_seconds",
            kind=Kind.GAUGE,
            help="Age of the copy of the accounts; above 60 requests are refused.",
        ),
        Family(
            name="certificate_expiry_timestamp_seconds",
            kind=Kind.GAUGE,
            help="When the certificates of a file end, by the setting that names it.",
            labels=("setting",),
        ),
    )
}
"""Every metric of a worker, by its name without the common beginning."""

KINDS = (
    "bad_data",
    "execution",
    "forbidden",
    "not_found",
    "timeout",
    "too_many_requests",
    "unauthorized",
    "unavailable",
)
"""The causes of refusals, as in the errors."""


class Counters:
    """Counts what one worker did since its start."""

    def __init__(self) -> None:
        # Every kind exists before its first event: increase() does not see a counter that is born at 1.
        self._refused = Counter(dict.fromkeys(KINDS, 0))
        self._totals = Counter(
            dict.fromkeys(("answers", "answer_bytes", "store_failures", "audit_failures"), 0)
        )
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def answered(self, size: int) -> None:
        """Count an answer of `size` bytes."""
        self._totals.update(answers=1, answer_bytes=size)

    def refused(self, kind: str) -> None:
        """Count a refusal."""
        self._refused[kind] += 1

    def store_failed(self) -> None:
        """Count a request that the store did not answer."""
        self._totals["store_failures"] += 1

    def unrecorded(self) -> None:
        """Count a request that could not be recorded."""
        self._totals["audit_failures"] += 1

    def took(self, seconds: float) -> None:
        """Count a request by its duration."""
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def lines(
        self, *, lock_holds: bool, accounts_age: float, expiries: Mapping[str, float] | None = None
    ) -> Iterator[str]:
        """Yield the lines of a page in the text format 0.0.4."""
        yield from _lines("build_info", [((("version", __version__),), 1)])
        for name, count in self._totals.items():
            yield from _lines(f"{name}_total", [((), count)])
        yield from self._duration()
        refused = [((("cause", kind),), count) for kind, count in sorted(self._refused.items())]
        yield from _lines("refusals_total", refused)
        yield from _lines("store_lock_verified", [((), int(lock_holds))])
        yield from _lines("accounts_age_seconds", [((), round(accounts_age, 3))])
        ends = [((("setting", setting),), end) for setting, end in sorted((expiries or {}).items())]
        yield from _lines("certificate_expiry_timestamp_seconds", ends)

    def _duration(self) -> Iterator[str]:
        row = FAMILIES["request_duration_seconds"]
        name, below = PREFIX + row.name, 0
        yield from (f"# HELP {name} {row.help}", f"# TYPE {name} {row.kind.value}")
        for end, count in zip((*BUCKETS, "+Inf"), self._buckets, strict=True):
            below += count
            yield f'{name}_bucket{{le="{end}"}} {below}'
        yield f"{name}_sum {round(self._seconds, 6)}"
        yield f"{name}_count {below}"


def samples(
    name: str, kind: str, text: str, values: Iterable[tuple[tuple[tuple[str, str], ...], float | str]]
) -> Iterator[str]:
    """Yield the lines of a metric, `values` with their labels; `kind` is counter or gauge."""
    yield from (f"# HELP {name} {text}", f"# TYPE {name} {kind}")
    for labels, value in values:
        shown = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels)
        yield f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _lines(name: str, values: Iterable[tuple[tuple[tuple[str, str], ...], float]]) -> Iterator[str]:
    """Yield the lines of a metric of the table."""
    row = FAMILIES[name]
    yield from samples(PREFIX + name, row.kind.value, row.help, values)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
