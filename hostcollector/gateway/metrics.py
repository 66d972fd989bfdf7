"""The gateway's own metrics, for the operator's Prometheus."""

from collections import Counter
from collections.abc import Iterable, Iterator


class Counters:
    """Counts what one worker did since its start."""

    def __init__(self) -> None:
        self._answered = 0
        self._bytes = 0
        # Every kind exists before its first event: increase() does not see a counter that is born at 1.
        self._refused = Counter(dict.fromkeys(KINDS, 0))

    def answered(self, size: int) -> None:
        """Count an answer of `size` bytes."""
        self._answered += 1
        self._bytes += size

    def refused(self, kind: str) -> None:
        """Count a refusal."""
        self._refused[kind] += 1

    def lines(self, *, lock_holds: bool, accounts_age: float) -> Iterator[str]:
        """Yield the lines of a page in the text format 0.0.4."""
        yield from family(
            "hostcollector_gateway_answers_total", "counter", "Answers with data.", self._answered
        )
        yield from family(
            "hostcollector_gateway_answer_bytes_total", "counter", "Bytes of answers.", self._bytes
        )
        name = "hostcollector_gateway_refusals_total"
        refused = [((("cause", kind),), count) for kind, count in sorted(self._refused.items())]
        yield from samples(name, "counter", "Requests that were refused, by cause.", refused)
        text = "1 while the store's lock is verified; PromQL is stopped otherwise."
        yield from family("hostcollector_gateway_store_lock_verified", "gauge", text, int(lock_holds))
        text = "Age of the copy of the accounts; above 60 requests are refused."
        yield from family("hostcollector_gateway_accounts_age_seconds", "gauge", text, round(accounts_age, 3))


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


def family(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    """Yield the lines of a metric without labels."""
    yield from samples(name, kind, text, [((), value)])


def samples(
    name: str, kind: str, text: str, values: Iterable[tuple[tuple[tuple[str, str], ...], float | str]]
) -> Iterator[str]:
    """Yield the lines of a metric, `values` with their labels; `kind` is counter or gauge."""
    yield from (f"# HELP {name} {text}", f"# TYPE {name} {kind}")
    for labels, value in values:
        shown = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels)
        yield f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
