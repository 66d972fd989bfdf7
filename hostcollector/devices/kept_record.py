"""Entries by name that survive a restart: read from disk at the first use, written after a change.

Reads and writes run in a lane with a limited wait. Until the disk has given the entries they are unknown,
which differs from none.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from hostcollector.base.errors import StateError, StateUnreachableError
from hostcollector.base.lanes import Backoff, Clock, Lane
from hostcollector.base.state_file import Document, StateFile

Entry = TypeVar("Entry")

PATIENCE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[Entry]):
    """How entries are written in their document, a JSON object with the key ``version``.

    - `write` returns the other keys. Later changes of the entries must not change what it returned.
    - `read` takes the whole object and gives each entry with its name, None for one that it cannot read. In a
      document of a later version such an entry is skipped; any other such document is damaged. It raises
      `ValueError` for an object without entries.
    """

    name: str
    """The file's name in the state directory."""

    version: int
    write: Callable[[Mapping[str, Entry]], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], Iterable[tuple[str, Entry] | None]]

    unread: str
    """The consequence of an unreadable document, as the end of a sentence."""

    unwritten: str
    """The consequence of a failed write, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStatus:
    """The state of a record: known entries, whether the disk lacks changes, failures so far.

    `unsaved` is also True until the disk has given the entries: no change is kept until then.
    """

    records: int = 0
    unsaved: bool = False
    read_errors: int = 0
    write_errors: int = 0


class Documents(Generic[Entry]):
    """The files of a form, across releases with different versions of it.

    A release writes to the form's name. If a later release's document is there, it writes to a name with its
    own version instead (``baselines.v1.json``). The document that was written last is read. So a downgrade
    and an upgrade lose no entry that both releases can read.
    """

    def __init__(self, directory: Path, form: Form[Entry], *, writes: bool = True) -> None:
        self._form = form
        stem, dot, suffix = form.name.rpartition(".")
        older = [f"{stem}.v{version}{dot}{suffix}" for version in range(1, form.version + 1)]
        self._files = [StateFile(directory, name, writes=writes) for name in (form.name, *older)]
        self._target = self._files[0]

    @property
    def path(self) -> Path:
        """The file that the document is written to."""
        return self._target.path

    def load(self) -> dict[str, Entry]:
        """Return the entries of the document that was written last; none without a document.

        Raises `StateError` as `StateFile.read` does; a damaged document is set aside.
        """
        newest, entries, complaint = -1, None, ""
        for file in self._files:
            document = file.read()
            if document is None:
                continue
            version, found = self._parsed(file, document)
            if version > self._form.version:
                self._target = self._files[-1]
            if found is None:
                complaint = f"{file.path} is of version {version}, which this release cannot read"
            elif document.written > newest:
                newest, entries = document.written, found
        if entries is None and complaint:
            raise StateError(complaint)
        return entries or {}

    def save(self, content: Mapping[str, Any]) -> None:
        """Replace the document. Raises `StateError` on failure, and the old document is kept."""
        document = {"version": self._form.version, **content}
        self._target.replace(json.dumps(document, separators=(",", ":")).encode())

    def _parsed(self, file: StateFile, document: Document) -> tuple[int, dict[str, Entry] | None]:
        """Return version and entries; None for a later version that cannot be read at all."""
        version = 0
        try:
            loaded = json.loads(document.content)
            version = _version(loaded)
            return version, self._entries(loaded, lenient=version > self._form.version)
        except (ValueError, RecursionError) as error:
            if version > self._form.version:
                return version, None
            raise file.damaged(error) from error

    def _entries(self, loaded: Mapping[str, Any], *, lenient: bool) -> dict[str, Entry]:
        entries = [*self._form.read(loaded)]
        if None in entries and not lenient:
            raise ValueError("an entry without its required values")
        return dict(filter(None, entries))


def _version(loaded: Any) -> int:
    version = loaded.get("version") if isinstance(loaded, dict) else None
    if type(version) is int and version > 0:
        return version
    raise ValueError("not a document with a version")


class KeptRecord(Generic[Entry]):
    """The entries of a `Form`. Safe to use from several threads; read from disk at the first use.

    `patience` is the longest wait of a read or a flush for the disk, in seconds. With `writes` False the disk
    is only read. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        directory: Path,
        form: Form[Entry],
        *,
        writes: bool = True,
        patience: float = PATIENCE_SECONDS,
        clock: Clock = time.monotonic,
    ) -> None:
        self._form = form
        self._documents = Documents(directory, form, writes=writes)
        self._writes = writes
        self._patience = patience
        self._clock = clock
        self._lane = Lane(form.name)
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] | None = None
        self._reading: Future[None] | None = None
        self._asked_at = 0.0
        self._pause = Backoff(clock=clock)
        self._changes = self._saved = 0
        self._read_errors = self._write_errors = 0
        self._read_problem = self._write_problem = ""
        self.status = KeptStatus()
        """The state of the record: replaced as a whole, so that reading it never waits."""

    @contextmanager
    def entries(self) -> Iterator[dict[str, Entry] | None]:
        """Give the entries to read and to change; None until the disk has given them.

        After a change the caller calls `changed` before the context ends.
        """
        if self._entries is None:
            self._wait_for_entries()
        with self._lock:
            yield self._entries

    def changed(self) -> None:
        """Note that the entries differ from those on disk; only inside `entries`."""
        self._changes += 1
        self._publish()

    def flush(self) -> None:
        """Write the changes, if there are any, and wait for the disk at most for `patience`.

        The next flush after a hang tries again. Failures are in `problems`.
        """
        with self._lock:
            unchanged = self._entries is None or self._changes == self._saved
            if unchanged or not self._writes or self._lane.busy:
                return
            self._asked_at = self._clock()
            writing = self._lane.submit(self._write)
        wait([writing], timeout=self._patience)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the failed reads and writes, each a sentence with its consequence."""
        with self._lock:
            return tuple(filter(None, (self._read_problem, self._write_problem, self._silence())))

    def _silence(self) -> str:
        waited = self._clock() - self._asked_at
        if not self._lane.busy or waited < self._patience:
            return ""
        consequence = self._form.unread if self._entries is None else self._form.unwritten
        return f"{self._documents.path}: the disk has not answered for {waited:.1f} s: {consequence}"

    def _wait_for_entries(self) -> None:
        with self._lock:
            if self._entries is None and self._pause.ready and not self._lane.busy:
                self._asked_at = self._clock()
                self._reading = self._lane.submit(self._read)
            reading, left = self._reading, self._asked_at + self._patience - self._clock()
        if reading is None:
            return
        if wait([reading], timeout=max(0.0, left)).done:
            reading.result()  # an unexpected error reaches the caller, and the next use tries again
        else:
            with self._lock:
                self._publish()

    def _read(self) -> None:
        entries: dict[str, Entry] | None = None
        problem = ""
        try:
            entries = self._documents.load()
        except StateUnreachableError as error:
            problem = f"{error}: {self._form.unread}"
        except StateError as error:
            entries = {}
            problem = f"{error}: {self._form.unread}"
        with self._lock:
            self._entries = entries
            self._read_problem = problem
            self._read_errors += bool(problem)
            if entries is None:
                self._pause.failed()
            self._publish()

    def _write(self) -> None:
        with self._lock:
            changes = self._changes
            content = self._form.write(self._entries or {})
        problem = ""
        try:
            self._documents.save(content)
        except StateError as error:
            problem = f"{error}: {self._form.unwritten}"
        with self._lock:
            self._write_problem = problem
            self._write_errors += bool(problem)
            if not problem:
                self._saved = changes
            self._publish()

    def _publish(self) -> None:
        self.status = KeptStatus(
            records=len(self._entries or ()),
            unsaved=self._writes and (self._entries is None or self._changes != self._saved),
            read_errors=self._read_errors,
            write_errors=self._write_errors,
        )
