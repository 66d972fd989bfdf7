"""What a source expected and did not find, or could not read: item by item, counted and named.

A source knows what the guests' definitions promise: links, threads, disks, ports, devices. `missing` records
a promised item that was not found on the host. `item` guards one member of a list that a device, a kernel
file or a service gives: a bad member costs itself and a note, and the loop goes on.
"""

from collections.abc import Iterable
from types import TracebackType

from hostcollector.base.errors import SourceError
from hostcollector.base.wording import named

MOST_NAMED = 10
"""How many items a note names; the others are counted."""

_LONGEST = 200

# The errors of reading and parsing foreign data. A fault of the collector itself that raises one of these is
# still visible: it is noted with the item's path and counted.
EXPECTED = (SourceError, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


class Gaps:
    """The gaps of one reading. True when there are any: the reading is partial then."""

    def __init__(self) -> None:
        self._missing: dict[tuple[str, str], list[str]] = {}
        self._unread: dict[str, list[str]] = {}
        self._troubles: list[str] = []
        self._added = 0
        self._facts: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._missing or self._unread or self._troubles)

    @property
    def count(self) -> int:
        """How many items are missing or could not be read."""
        lists = (*self._missing.values(), *self._unread.values())
        return self._added + sum(map(len, lists))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the status page and `diagnose`: troubles, missing and unread items, then facts."""
        return (*self.troubles, *self.facts)

    @property
    def facts(self) -> tuple[str, ...]:
        """The notes that are no troubles."""
        return tuple(self._facts)

    @property
    def troubles(self) -> tuple[str, ...]:
        """The notes without the facts."""
        missing = (
            f"{kind} not found: {_named(names)}" + (f" ({why})" if why else "")
            for (kind, why), names in self._missing.items()
        )
        unread = (f"{_named(paths)} cannot be read: {why}" for why, paths in self._unread.items())
        return (*self._troubles, *missing, *unread)

    def missing(self, kind: str, name: str, why: str = "") -> None:
        """Record that the item `name` of a `kind` ("link", "vCPU thread") was promised and not found."""
        self._missing.setdefault((kind, why), []).append(name)

    def unread(self, path: str, why: object) -> None:
        """Record that the item at `path` was found and could not be read."""
        paths = self._unread.setdefault(_sentence(why), [])
        if path not in paths:
            paths.append(path)

    def note(self, text: str) -> None:
        """Record a trouble that is not one of single items."""
        self._troubles.append(text)

    def add(self, texts: Iterable[str], items: int) -> None:
        """Record so many missing items, with sentences of their own."""
        self._troubles.extend(texts)
        self._added += items

    def fact(self, text: str) -> None:
        """Record a property that is no trouble, such as a device without counters; the reading is whole."""
        self._facts.append(text)

    def item(self, path: str) -> "_Guard":
        """Guard the reading of one item of a list: an error that bad data raises is recorded under `path`."""
        return _Guard(self, path)


class _Guard:
    """A context around one item. A class of its own: a collection enters thousands of them."""

    __slots__ = ("_gaps", "_path")

    def __init__(self, gaps: Gaps, path: str) -> None:
        self._gaps = gaps
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, EXPECTED):
            return False
        self._gaps.unread(self._path, error)
        return True


def _named(names: list[str]) -> str:
    return named([name[:_LONGEST] for name in names], MOST_NAMED)


def _sentence(why: object) -> str:
    if isinstance(why, OSError) and why.strerror:
        return why.strerror
    # A KeyError's text is the bare key.
    text = str(why) if isinstance(why, str | SourceError) else f"{type(why).__name__}: {why}"
    return text[:_LONGEST]
