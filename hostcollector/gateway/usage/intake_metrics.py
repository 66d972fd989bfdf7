"""The intake's own metrics, for the operator's Prometheus: one table, and what was counted."""

from collections import Counter
from collections.abc import Iterator, Mapping

from hostcollector.base.model import Kind
from hostcollector.gateway.metrics import PREFIX, Family, samples
from hostcollector.gateway.usage.answers import Refused
from hostcollector.gateway.usage.ledger import Outcome


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=f"intake_{name}_total", kind=Kind.COUNTER, help=text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name=f"intake_{name}", kind=Kind.GAUGE, help=text, labels=labels)


TOTALS: Mapping[str, Family] = {
    "records": _counter("records", "New usage records."),
    "adjustments": _counter("adjustments", "New usage records of hours that were final already."),
    "repeated": _counter("repeated_records", "Usage records that the ledger had already."),
    "lost": _counter("lost_lines", "Lines that a host did not have any more when it was read."),
    "overlap": _counter("overlap_seconds", "Running seconds that another host has too, billed once."),
    "foreign": _counter("foreign_overlaps", "Records of VMs that ran at the same time for another tenant."),
    "replaced": _counter("replaced_ledgers", "Hosts that came with another ledger than before."),
    "failed": _counter("failed_pulls", "Hosts that could not be read."),
    "final": _counter("final_hours", "Hours that became final."),
    "rounds_failed": _counter("failed_rounds", "Rounds that could not use the list of hosts or the ledger."),
}
REFUSED = _counter("refused_lines", "Lines of hosts that were not taken, by cause.", "cause")
SECONDS = _gauge("round_seconds", "Seconds that the last round over all hosts took.")
ENDED = _gauge("round_timestamp_seconds", "When the last round ended; 0 before the first.")
AGE = _gauge("host_age_seconds", "Seconds since the end of the last hour that a host has closed.", "host")

FAMILIES = (*TOTALS.values(), REFUSED, SECONDS, ENDED, AGE)
"""Every metric of the intake, by its name without the common beginning."""

Values = list[tuple[tuple[tuple[str, str], ...], float | str]]


class IntakeCounters:
    """Counts what the intake did since its start. `hosts` have the Unix time until which hours are closed."""

    def __init__(self) -> None:
        self.hosts: Mapping[str, int | None] = {}
        self.rounds = 0
        # Every cause exists before its first event: increase() does not see a counter that is born at 1.
        self._refused = Counter(dict.fromkeys(Refused, 0))
        self._total = Counter(dict.fromkeys(TOTALS, 0))
        self._round_seconds = 0.0
        self._round_at = 0.0

    def took(self, outcome: Outcome) -> None:
        """Count what became of an answer."""
        self._refused.update(outcome.refused)
        self._total.update(
            records=outcome.new,
            adjustments=outcome.late,
            repeated=outcome.repeated,
            lost=outcome.lost,
            overlap=outcome.overlap_seconds,
            foreign=outcome.foreign_overlaps,
            replaced=int(outcome.replaced),
        )

    def failed(self) -> None:
        """Count a host that could not be pulled."""
        self._total["failed"] += 1

    def round_failed(self) -> None:
        """Count a round that did not reach the hosts."""
        self._total["rounds_failed"] += 1

    def round_ended(self, *, final: int, began: float, ended: float) -> None:
        """Note a round over all hosts."""
        self.rounds += 1
        self._total["final"] += final
        self._round_seconds, self._round_at = max(0.0, ended - began), ended

    def lines(self, now: float) -> Iterator[str]:
        """Yield the lines of a page in the text format 0.0.4."""
        for name, family in TOTALS.items():
            yield from _lines(family, [((), self._total[name])])
        yield from _lines(
            REFUSED, [((("cause", str(cause)),), count) for cause, count in sorted(self._refused.items())]
        )
        yield from _lines(SECONDS, [((), round(self._round_seconds, 3))])
        yield from _lines(ENDED, [((), round(self._round_at, 3))])
        ages: Values = [
            ((("host", target),), "+Inf" if until is None else round(now - until))
            for target, until in sorted(self.hosts.items())
        ]
        yield from _lines(AGE, ages)


def _lines(family: Family, values: Values) -> Iterator[str]:
    yield from samples(PREFIX + family.name, family.kind.value, family.help, values)
