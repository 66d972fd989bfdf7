"""The intake's own metrics, for the operator's Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping

from hostcollector.gateway.metrics import family, samples
from hostcollector.gateway.usage.answers import Refused
from hostcollector.gateway.usage.ledger import Outcome

PREFIX = "hostcollector_gateway_intake_"


class IntakeCounters:
    """Counts what the intake did since its start. `hosts` have the Unix time until which hours are closed."""

    def __init__(self) -> None:
        self.hosts: Mapping[str, int | None] = {}
        self.rounds = 0
        self.rounds_failed = 0
        # Every reason exists before its first event: increase() does not see a counter that is born at 1.
        self._refused = Counter(dict.fromkeys(Refused, 0))
        self._total = Counter(dict.fromkeys(_TOTALS, 0))
        self._round_seconds = 0.0
        self._round_at = 0.0

    def took(self, outcome: Outcome) -> None:
        """Count what became of an answer."""
        self._refused.update(outcome.refused)
        self._total.update(
            records=outcome.new,
            adjustments=outcome.late,
            repeated_records=outcome.repeated,
            lost_lines=outcome.lost,
            overlap_seconds=outcome.overlap_seconds,
            foreign_overlaps=outcome.foreign_overlaps,
            replaced_ledgers=int(outcome.replaced),
        )

    def failed(self) -> None:
        """Count a host that could not be pulled."""
        self._total["failed_pulls"] += 1

    def round_ended(self, *, final: int, began: float, ended: float) -> None:
        """Note a round over all hosts."""
        self.rounds += 1
        self._total["final_hours"] += final
        self._round_seconds, self._round_at = max(0.0, ended - began), ended

    def lines(self, now: float) -> Iterator[str]:
        """Yield the lines of a page in the text format 0.0.4."""
        for name, text in _TOTALS.items():
            yield from family(f"{PREFIX}{name}_total", "counter", text, self._total[name])
        text = "Lines of hosts that were not taken, by cause."
        refused = [((("cause", str(cause)),), count) for cause, count in sorted(self._refused.items())]
        yield from samples(f"{PREFIX}refused_lines_total", "counter", text, refused)
        text = "Rounds that could not use the list of hosts or the ledger."
        yield from family(f"{PREFIX}failed_rounds_total", "counter", text, self.rounds_failed)
        text = "Seconds that the last round over all hosts took."
        yield from family(f"{PREFIX}round_seconds", "gauge", text, round(self._round_seconds, 3))
        text = "Unix time at which the last round ended; 0 before the first."
        yield from family(f"{PREFIX}round_timestamp_seconds", "gauge", text, round(self._round_at, 3))
        text = "Seconds since the end of the last hour that a host has closed; NaN for none."
        ages: list[tuple[tuple[tuple[str, str], ...], float | str]] = [
            ((("host", target),), "NaN" if until is None else round(now - until))
            for target, until in sorted(self.hosts.items())
        ]
        yield from samples(f"{PREFIX}host_age_seconds", "gauge", text, ages)


_TOTALS: Mapping[str, str] = {
    "records": "New usage records.",
    "adjustments": "New usage records of hours that were final already.",
    "repeated_records": "Usage records that the ledger had already, with the same body.",
    "lost_lines": "Lines that a host did not have any more when it was read.",
    "overlap_seconds": "Running seconds of VMs that another host has too; they are billed once.",
    "foreign_overlaps": "Records of VMs that ran at the same time for another tenant.",
    "replaced_ledgers": "Hosts that came with another ledger than before.",
    "failed_pulls": "Hosts that could not be read.",
    "final_hours": "Hours that became final.",
}
