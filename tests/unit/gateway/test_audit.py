"""The audit's chain: what is written, and that a change, a gap and a cut tail show."""

import errno
import os
import threading
from pathlib import Path

import pytest

from hostcollector.gateway.audit.chain import Head, files_of, lines_of, verify
from hostcollector.gateway.audit.writer import PATIENCE_SECONDS, SYNC_SECONDS, Audit
from hostcollector.gateway.errors import AuditError
from tests.fakes.clock import Clock
from tests.lab.process import eventually


def written(directory: Path, count: int, file_bytes: int = 1 << 20) -> Head:
    """Write so many records at once, and return the head."""
    audit = Audit(directory, "worker-0", file_bytes=file_bytes)

    for number in range(count):
        audit.record({"n": number})
    audit.tick()
    audit.close()
    return audit.head


def lines(directory: Path) -> list[bytes]:
    """Return all lines of the chain."""
    return list(lines_of(directory, "worker-0"))


def test_a_chain_goes_on_over_restarts_and_files(tmp_path: Path) -> None:
    """Three runs, each of several files, are one chain."""
    for _ in range(3):
        written(tmp_path, 5, file_bytes=100)
    head = written(tmp_path, 0)
    assert len(files_of(tmp_path, "worker-0")) > 3
    verdict = verify(lines(tmp_path), head)
    assert (verdict.fault, verdict.head) == ("", head)
    assert head.count == 15


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda found: [*found[:3], found[3].replace(b'"n":3', b'"n":9'), *found[4:]], "was changed"),
        (lambda found: [*found[:3], *found[4:]], "was removed"),
        (lambda found: [*found[:3], found[2], *found[3:]], "removed or added"),
        (lambda found: found[:-2], "tail was cut off"),
        (lambda found: [], "tail was cut off"),
        (lambda found: [*found[:-1], found[-1].replace(b'"n":7', b'"n":8')], "rewritten"),
        (lambda found: [*found[:-1], found[-1][:-5]], "torn"),
        (lambda found: [*found[:3], b"{}\n", *found[3:]], "not a record"),
    ],
    ids=["changed", "removed", "doubled", "cut", "emptied", "last one changed", "torn", "inserted"],
)
def test_harm_shows(tmp_path: Path, harm: object, fault: str) -> None:
    """With the head from the log, every kind of harm has its sentence."""
    head = written(tmp_path, 8)
    assert callable(harm)
    verdict = verify(harm(lines(tmp_path)), head)
    assert fault in verdict.fault


def test_a_torn_last_line_is_cut_off_at_the_next_start(tmp_path: Path) -> None:
    """A crash in the middle of a line does not break the chain."""
    written(tmp_path, 3)
    with files_of(tmp_path, "worker-0")[-1].open("ab") as file:
        file.write(b'{"seq":4,"prev":')
    head = written(tmp_path, 2)
    assert verify(lines(tmp_path), head).fault == ""
    assert head.count == 5


def test_a_full_disk_refuses_requests_and_leaves_the_chain_whole(tmp_path: Path) -> None:
    """A record that cannot be written ends its request; once there is space, the chain goes on."""
    audit = Audit(tmp_path, "worker-0")
    audit.record({"n": 0})
    kept = os.dup(audit._descriptor)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, audit._descriptor)
    os.close(full)
    with pytest.raises(AuditError, match="cannot be recorded"):
        audit.record({"n": 1})
    os.dup2(kept, audit._descriptor)
    os.close(kept)
    audit.record({"n": 2})
    audit.close()
    assert verify(lines(tmp_path), audit.head).fault == ""
    assert audit.head.count == 2


def test_a_disk_that_hangs_refuses_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that does not come back refuses records, until it does."""
    clock, back, gone = Clock(), threading.Event(), threading.Event()
    audit = Audit(tmp_path, "worker-0", clock)

    def hanging(_descriptor: int) -> None:
        back.wait(30)
        gone.set()

    monkeypatch.setattr(os, "fsync", hanging)
    clock.now += SYNC_SECONDS
    audit.tick()
    clock.now += PATIENCE_SECONDS
    audit.record({"n": 0})
    clock.now += 1
    with pytest.raises(AuditError, match="cannot be recorded"):
        audit.record({"n": 1})
    back.set()
    assert gone.wait(30)
    assert eventually(lambda: not audit._syncing.busy, 10.0, "the end of the sync")
    audit.record({"n": 2})
    audit.close()
    assert verify(lines(tmp_path), audit.head).head.count == 2


def test_a_chain_that_ends_in_no_record_is_not_continued(tmp_path: Path) -> None:
    """The gateway does not start on it."""
    (tmp_path / "worker-0.000000000001.jsonl").write_bytes(b"not a record\n")
    with pytest.raises(AuditError, match="ends in no record"):
        Audit(tmp_path, "worker-0")


def test_a_newest_file_whose_first_line_is_torn_does_not_begin_the_chain_anew(tmp_path: Path) -> None:
    """A crash at the first record of a file leaves no whole line in it: the file before has the head."""
    written(tmp_path, 5, file_bytes=100)
    newest = tmp_path / f"worker-0.{6:012d}.jsonl"
    newest.write_bytes(b'{"seq":6,"prev":')
    head = written(tmp_path, 2)
    assert verify(lines(tmp_path), head).fault == ""
    assert head.count == 7


def test_a_file_that_cannot_be_synced_gives_way_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is known at the sync only: it neither refuses requests for ever nor keeps files open."""
    audit = Audit(tmp_path, "worker-0", file_bytes=100)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space is left")

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(os, "fsync", full)
    for number in range(20):
        audit.record({"n": number})
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    audit.close()
    assert verify(lines(tmp_path), audit.head).fault == ""
    assert audit.head.count == 20
