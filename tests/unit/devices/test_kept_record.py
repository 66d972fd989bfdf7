"""What is kept across restarts and releases: a disk that hangs holds up no reader."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hostcollector.base.errors import StateUnreachableError
from hostcollector.base.state_file import StateFile
from hostcollector.devices.kept_record import Form, KeptRecord, KeptStatus


def _write(entries: Mapping[str, int]) -> dict[str, Any]:
    return {"entries": dict(entries)}


def _read(document: Mapping[str, Any]) -> Iterable[tuple[str, int] | None]:
    entries = document.get("entries")
    if isinstance(entries, dict):
        return ((name, value) if isinstance(value, int) else None for name, value in entries.items())
    raise ValueError("no entries")


def _read_next(document: Mapping[str, Any]) -> Iterable[tuple[str, int] | None]:
    """Read a later release's form, in which an entry may also be something else."""
    return filter(None, _read(document))


FORM = Form(
    name="numbers.json", version=1, write=_write, read=_read, unread="unknown for now", unwritten="lost then"
)
NEXT = replace(FORM, version=2, read=_read_next)


def known(kept: KeptRecord[int]) -> dict[str, int] | None:
    """Return the entries as they are now."""
    with kept.entries() as entries:
        return None if entries is None else dict(entries)


def put(kept: KeptRecord[int], **values: int) -> None:
    """Change entries and write them."""
    with kept.entries() as entries:
        assert entries is not None
        entries.update(values)
        kept.changed()
    kept.flush()


def opened(directory: Path, form: Form[int] = FORM, *, writes: bool = True) -> KeptRecord[int]:
    """Return what a new process has."""
    return KeptRecord(directory, form, writes=writes, patience=30)


class Disk:
    """A form whose reading hangs until the disk is let go."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.form = replace(FORM, read=self._read)

    def _read(self, document: Mapping[str, Any]) -> Iterable[tuple[str, int] | None]:
        self.goes_on.wait(60)
        return _read(document)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Give a disk that hangs; after the test it does not."""
    disk = Disk()
    yield disk
    disk.goes_on.set()


def test_a_disk_that_hangs_at_the_first_use_holds_up_no_reader(tmp_path: Path, disk: Disk) -> None:
    """Entries are unknown, not none, and status is there at once; once the disk answers, all is there."""
    put(opened(tmp_path), a=1)
    kept = KeptRecord(tmp_path, disk.form, patience=0.01)
    assert known(kept) is None
    assert known(kept) is None
    assert kept.status == KeptStatus(unsaved=True)
    (problem,) = kept.problems
    assert "the disk has not answered for" in problem
    assert problem.endswith("unknown for now")
    kept.flush()
    disk.goes_on.set()
    while known(kept) is None:
        pass
    assert (known(kept), kept.problems, kept.status.records) == ({"a": 1}, (), 1)


def test_status_waits_for_no_thread_that_has_the_entries(tmp_path: Path) -> None:
    """The status is available while a source has the entries open."""
    kept = opened(tmp_path)
    put(kept, a=1)
    with kept.entries():
        assert kept.status == KeptStatus(records=1)


def test_a_disk_that_fails_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error of the disk the entries are unknown, the document is whole, and later it is read."""
    put(opened(tmp_path), a=1)
    now = [0.0]
    kept = KeptRecord(tmp_path, FORM, patience=30, clock=lambda: now[0])

    def fail(file: StateFile) -> None:
        raise StateUnreachableError(f"{file.path} cannot be read: Stale file handle")

    with monkeypatch.context() as broken:
        broken.setattr(StateFile, "read", fail)
        assert known(kept) is None
    assert kept.problems == (f"{tmp_path}/numbers.json cannot be read: Stale file handle: unknown for now",)
    assert known(kept) is None
    assert kept.status.read_errors == 1
    now[0] += 60
    assert known(kept) == {"a": 1}
    assert not kept.problems


def test_a_look_by_hand_changes_nothing(tmp_path: Path) -> None:
    """Without the right to write, entries may change in memory; the disk has what the daemon wrote."""
    put(opened(tmp_path), a=1)
    before = (tmp_path / "numbers.json").read_bytes()
    by_hand = opened(tmp_path, writes=False)
    put(by_hand, a=7, b=8)
    assert known(by_hand) == {"a": 7, "b": 8}
    assert (by_hand.problems, by_hand.status.unsaved) == ((), False)
    assert (tmp_path / "numbers.json").read_bytes() == before
    (tmp_path / "numbers.json").write_bytes(b"broken")
    assert known(opened(tmp_path, writes=False)) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.json"]


def test_a_look_by_hand_makes_no_directory(tmp_path: Path) -> None:
    """Where no daemon ever ran there is nothing to read, and nothing is made."""
    put(opened(tmp_path / "state", writes=False), a=1)
    assert [*tmp_path.iterdir()] == []


def test_an_older_release_keeps_a_newer_document(tmp_path: Path) -> None:
    """It reads what it understands, writes beside, and going forward again goes on from there."""
    put(opened(tmp_path, NEXT), a=1)
    newer = tmp_path / "numbers.json"
    document = json.loads(newer.read_bytes())
    document["entries"]["strange"] = {"new": "kind"}
    newer.write_text(json.dumps(document))
    text = newer.read_bytes()
    older = opened(tmp_path)
    assert (known(older), older.problems) == ({"a": 1}, ())
    put(older, b=2)
    assert newer.read_bytes() == text
    assert json.loads((tmp_path / "numbers.v1.json").read_bytes()) == {
        "version": 1,
        "entries": {"a": 1, "b": 2},
    }
    assert known(opened(tmp_path)) == {"a": 1, "b": 2}
    forward = opened(tmp_path, NEXT)
    assert known(forward) == {"a": 1, "b": 2}
    put(forward, c=3)
    assert json.loads(newer.read_bytes()) == {"version": 2, "entries": {"a": 1, "b": 2, "c": 3}}
    assert known(opened(tmp_path)) == {"a": 1, "b": 2, "c": 3}


def test_a_newer_release_takes_over_the_document(tmp_path: Path) -> None:
    """An upgrade loses nothing and leaves one document."""
    put(opened(tmp_path), a=1)
    put(opened(tmp_path, NEXT), b=2)
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.json"]
    assert json.loads((tmp_path / "numbers.json").read_bytes()) == {"version": 2, "entries": {"a": 1, "b": 2}}


def test_an_older_release_does_not_set_a_newer_document_aside_that_it_cannot_follow(tmp_path: Path) -> None:
    """A later form may be altogether different: then nothing of it is known, and it is left where it is."""
    newer = tmp_path / "numbers.json"
    newer.write_text('{"version": 3, "table": []}')
    older = opened(tmp_path)
    assert known(older) == {}
    assert "version 3" in older.problems[0]
    put(older, a=1)
    assert newer.read_text() == '{"version": 3, "table": []}'
    assert known(opened(tmp_path)) == {"a": 1}
