"""What a source is: one read path with a name, a blocking `read` and a `close`.

A source reads one interface and turns it into samples in base units, from the guest's point of view.
It runs in a thread of its own under a deadline, may block, and raises only `SourceError` for foreseen
failures. What it cannot read is left out: absent, never zero. It knows guests by UUID only; `assemble` adds
tenants and labels.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hostcollector.base.model import Guest, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a source gets to work with in one collection.

    `guests` by UUID are the active domains of the inventory. `deadline` is on the monotonic clock: a source
    that splits its work may give a partial answer before it; what arrives later is dropped.
    `taken_at` is the collection's Unix time in seconds. `guests_listed` is False until the inventory has
    listed all guests once: before that a device without a known owner may have one.
    """

    guests: Mapping[str, Guest]
    deadline: float
    taken_at: float
    guests_listed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a source found. `notes` name what is missing and the fix, for the status page and `diagnose`.

    `partial` says that guests or devices are missing which should be there, `missing` how many items that is:
    those that the guests' definitions promise, and those that were found and could not be read. `off` says
    why the configuration or the host leaves the source nothing to read, such as ``redfish.url is not set``;
    it is empty for a source that is read.
    """

    samples: Sequence[Sample]
    notes: tuple[str, ...] = ()
    partial: bool = False
    missing: int = 0
    off: str = ""


class Source(ABC):
    """One read path. Implementations take paths, clocks and connections as constructor arguments.

    `name` is the source's name in flags, labels and the catalogue's `source` column. A constructor opens
    nothing and starts no thread: that is for `start`.
    """

    name: str

    def start(self) -> None:
        """Begin the work in the background; called once, before the first `read`."""
        return

    @abstractmethod
    def read(self, request: Request) -> Reading:
        """Read once, blocking. Raises `SourceError` with the cause and the fix when nothing can be read."""

    def settle(self, seconds: float) -> None:  # noqa: ARG002 - as sources with a background have it
        """Wait for the first answer or failure of the background's requests; before a single `read`."""
        return

    def close(self) -> None:
        """Close what the source holds open; called once, also after a failure and without `start`."""
        return

    def wait_closed(self, seconds: float) -> None:  # noqa: ARG002 - as sources with a background have it
        """Wait, after `close`, for the work in the background, such as returning a BMC's session."""
        return
