"""A collector and an encoder whose every step the test decides."""

import threading
from concurrent.futures import Future

from hostcollector.base.errors import HostcollectorError
from hostcollector.base.model import Snapshot
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format


class FakeCollector:
    """Answers with `answer`: a snapshot, an error, or None for a collection that does not end."""

    def __init__(self, answer: Snapshot | HostcollectorError | None) -> None:
        self.answer = answer
        self.ready = True
        self.listing = False
        self.budgets: list[float] = []
        """The budget of every snapshot that was asked for, in seconds."""
        self.ages: list[float | None] = []
        """How old each of them might be, in seconds."""

    def snapshot(self, budget: float, maximum_age: float | None = None) -> Future[Snapshot]:
        """Return the future that `answer` says."""
        self.budgets.append(budget)
        self.ages.append(maximum_age)
        future: Future[Snapshot] = Future()
        if isinstance(self.answer, Snapshot):
            future.set_result(self.answer)
        elif self.answer is not None:
            future.set_exception(self.answer)
        return future


class CountingEncoder:
    """The real encoder, but it counts, with its gate closed it waits, and `page` replaces its work."""

    def __init__(self) -> None:
        self.encodings: list[tuple[Format, frozenset[str] | None]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.page: bytes | None = None
        self._encoder = Encoder()

    def encode(self, snapshot: Snapshot, form: Format, only: frozenset[str] | None = None) -> bytes:
        """Return the real page once the gate is open."""
        self.gate.wait()
        self.encodings.append((form, only))
        return self._encoder.encode(snapshot, form, only) if self.page is None else self.page
