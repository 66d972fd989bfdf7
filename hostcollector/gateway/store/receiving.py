"""What comes back from the store, in steps: good bodies pass unread, everything else becomes own words.

The store's errors quote other tenants: a failed join prints labels of the series that it met.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hostcollector.gateway.errors import RequestRefusedError, StoreRefusedError, StoreUnavailableError

GOOD = 200

_PASSED = ("Content-Type", "Content-Encoding")
"""Headers of the store that a tenant gets."""

_SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "series do not match one to one: add on(...), ignoring(...) or group_left",
        ("duplicate", "many-to-many", "many-to-one", "one-to-one", "grouping label"),
    ),
    (
        "the query took too long: shorten its range",
        ("timeout", "timed out", "deadline", "maxqueryduration"),
    ),
    (
        "the query needs too many samples, series or points: narrow its selectors, or use a longer step",
        ("maxsamples", "maxunique", "maxpoints", "too many", "exceeded maximum resolution"),
    ),
)
"""What the tenant reads, and what the store's error contains then, in small letters."""

_OTHERWISE = "the store cannot answer this query: check its functions, ranges and types"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An answer of the store. `complaint` is the beginning of a bad one's body; good bodies are not read."""

    status: int
    headers: Mapping[str, str]
    complaint: str = field(default="", repr=False)
    error: RequestRefusedError | None = None


Step = Callable[[Incoming], Incoming]


def own_words(incoming: Incoming) -> Incoming:
    """Replace the store's complaint by a sentence that quotes nothing of it."""
    if incoming.status == GOOD:
        return incoming
    if (incoming.status >= 500 and incoming.status != 503) or incoming.status in {401, 403, 404, 405}:
        return replace(
            incoming, complaint="", error=StoreUnavailableError("the store does not answer as it should")
        )
    said = incoming.complaint.lower()
    sentence = next((words for words, signs in _SIGNS if any(sign in said for sign in signs)), _OTHERWISE)
    return replace(incoming, complaint="", error=StoreRefusedError(sentence))


def own_headers(incoming: Incoming) -> Incoming:
    """Leave out the store's headers but those that say how to read the body."""
    return replace(
        incoming, headers={name: value for name, value in incoming.headers.items() if name in _PASSED}
    )


STEPS: tuple[Step, ...] = (own_words, own_headers)


def received(incoming: Incoming, steps: Sequence[Step] = STEPS) -> Incoming:
    """Return the answer for the tenant. Raises the `RequestRefusedError` of a bad one."""
    for step in steps:
        incoming = step(incoming)
    if incoming.error is not None:
        raise incoming.error
    return incoming
