"""The record on disk survives crashes and trouble: whole or not at all, never guessed, always reported."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostcollector.base.errors import StateError
from hostcollector.base.state_file import UNREADABLE
from hostcollector.devices.baseline_record import Record
from hostcollector.devices.baselines import FILE_NAME, Baselines, form
from hostcollector.devices.kept_record import Documents

VF = "vf/0000:3b:00.2"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state directory with a good record: owner a, whose VF was at 100."""
    baselines = Baselines(tmp_path / "state", patience=30)
    baselines.relative(VF, "a", {"rx": 100})
    baselines.flush()
    return tmp_path / "state"


_FORM = form(lambda: "boot")


def _file(state: Path) -> Documents[Record]:
    return Documents(state, _FORM)


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_directory_is_made_and_nothing_else_is_left_in_it(state: Path) -> None:
    """After a write there is the document, readable for its owner and group, and no temporary file."""
    assert _names(state) == [FILE_NAME]
    assert json.loads((state / FILE_NAME).read_text())["records"] == [
        {"device": VF, "owner": "a", "counters": {"rx": 100}}
    ]


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """Names of any kind and counters of 64 bits come back as they were."""
    file = _file(tmp_path)
    records = {'vf/"\n': Record("ü/1", {"rx": 2**64 - 1, "": 0}), "b": Record("")}
    file.save(_FORM.write(records))
    assert {device: (record.owner, record.baseline) for device, record in file.load().items()} == {
        'vf/"\n': ("ü/1", {"rx": 2**64 - 1, "": 0}),
        "b": ("", {}),
    }


def test_a_crash_before_the_rename_leaves_the_old_record(state: Path) -> None:
    """A temporary file, whole or in part, is not the record; the next write replaces it."""
    (state / f"{FILE_NAME}.tmp").write_text('{"version": 1, "boot"')
    baselines = Baselines(state, patience=30)
    assert baselines.relative(VF, "a", {"rx": 130}) == {"rx": 30}
    baselines.relative(VF, "b", {"rx": 140})
    baselines.flush()
    assert (baselines.problems, _names(state)) == ((), [FILE_NAME])
    assert Baselines(state, patience=30).relative(VF, "b", {"rx": 141}) == {"rx": 1}


def test_a_process_killed_in_the_middle_of_writing_leaves_a_whole_record(tmp_path: Path) -> None:
    """Killed at any moment while it writes without pause, a collector leaves a document that can be read."""
    writer = (
        "import sys; from pathlib import Path; from hostcollector.devices.baselines import Baselines\n"
        "baselines = Baselines(Path(sys.argv[1]), patience=30)\n"
        "for stay in range(10**9):\n"
        "    for vf in range(200): baselines.relative(f'vf/{vf}', str(stay), {'rx': stay})\n"
        "    baselines.flush(); print(stay, flush=True)\n"
    )
    for rounds in range(1, 6):
        command = [sys.executable, "-c", writer, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            shown = [int(process.stdout.readline()) for _ in range(3 * rounds)]
            process.send_signal(signal.SIGKILL)
        records = json.loads((tmp_path / FILE_NAME).read_text())["records"]
        assert len(records) == 200
        assert len({record["owner"] for record in records}) == 1
        assert int(records[0]["owner"]) >= shown[-1]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0" * 300,
        b"{",
        b"[]",
        b"null",
        b'{"version": "1", "boot": "", "records": []}',
        b'{"version": 0, "boot": "", "records": []}',
        b'{"version": true, "boot": "", "records": []}',
        b'{"version": 1, "boot": "", "records": [null]}',
        b'{"version": 1, "boot": "", "records": {}}',
        b'{"version": 1, "boot": "", "records": [{"device": "x", "owner": "a"}]}',
        b'{"version": 1, "boot": "", "records": [{"device": "x", "owner": "a", "counters": {"rx": -1}}]}',
        b'{"version": 1, "boot": "", "records": [{"device": "x", "owner": "a", "counters": {"rx": 1.5}}]}',
        b'{"version": 1, "boot": "", "records": [{"device": "x", "owner": null, "counters": {}}]}',
        b"[" * 100_000,
        b'{"version": 1, "boot": "\xff", "records": []}',
    ],
)
def test_a_damaged_record_is_set_aside_and_reported(state: Path, damage: bytes) -> None:
    """Nothing of it is used, everything starts at 0, and it is kept for a later look."""
    (state / FILE_NAME).write_bytes(damage)
    baselines = Baselines(state, patience=30)
    assert baselines.relative(VF, "a", {"rx": 5000}) == {"rx": 0}
    (problem,) = baselines.problems
    assert "damaged" in problem
    assert "started at 0" in problem
    assert baselines.status.read_errors == 1
    assert (state / f"{FILE_NAME}{UNREADABLE}").read_bytes() == damage
    baselines.flush()
    assert Baselines(state, patience=30).relative(VF, "a", {"rx": 5003}) == {"rx": 3}


@given(cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_damage_raises_anything_but_the_typed_error(tmp_path: Path, cut: int, at: int, byte: int) -> None:
    """A document cut short or with a byte changed is read, or refused with `StateError`."""
    file = _file(tmp_path)
    file.save(_FORM.write({VF: Record("a", {"rx": 12345, "tx": 678}), "vf/1": Record("b", {})}))
    text = bytearray(file.path.read_bytes())
    text[at % len(text)] = byte
    file.path.write_bytes(text[: cut % (len(text) + 1)])
    try:
        records = file.load()
    except StateError:
        assert not file.path.exists()
    else:
        assert all(raw >= 0 for record in records.values() for raw in record.baseline.values())


def test_a_record_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    """Something else in the file's place is no record, and is not removed."""
    (tmp_path / FILE_NAME / "inside").mkdir(parents=True)
    baselines = Baselines(tmp_path, patience=30)
    assert baselines.relative(VF, "a", {"rx": 7}) == {"rx": 0}
    assert "cannot be read" in baselines.problems[0]
    assert (tmp_path / f"{FILE_NAME}{UNREADABLE}" / "inside").is_dir()


def test_a_directory_that_cannot_be_written_costs_the_record_only(tmp_path: Path) -> None:
    """Counters go on, the problem is reported, and as soon as writing works again it is forgotten."""
    state = tmp_path / "state"
    state.write_text("a file where the directory should be")
    baselines = Baselines(state, patience=30)
    baselines.relative(VF, "a", {"rx": 10})
    baselines.flush()
    assert baselines.relative(VF, "a", {"rx": 15}) == {"rx": 5}
    assert any("cannot be written" in problem for problem in baselines.problems)
    assert (baselines.status.unsaved, baselines.status.write_errors) == (True, 1)
    state.unlink()
    baselines.flush()
    assert not baselines.status.unsaved
    assert not any("written" in problem for problem in baselines.problems)
    assert Baselines(state, patience=30).relative(VF, "a", {"rx": 16}) == {"rx": 6}


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no file beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_record(state: Path) -> None:
    """What does not fit is not half written: the old document stays, and nothing is left beside it."""
    old = (state / FILE_NAME).read_bytes()
    baselines = Baselines(state, patience=30)
    for number in range(100):
        baselines.relative(f"vf/{number}", "b", {"rx": 1})
    with _files_of_at_most(512):
        baselines.flush()
    assert (state / FILE_NAME).read_bytes() == old
    assert _names(state) == [FILE_NAME]
    assert baselines.status.unsaved
    baselines.flush()
    assert len(json.loads((state / FILE_NAME).read_text())["records"]) == 101


def test_two_processes_do_not_write_at_once(state: Path) -> None:
    """While another process writes, the record waits for the next flush."""
    directory = os.open(state, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    baselines = Baselines(state, patience=30)
    baselines.relative(VF, "b", {"rx": 200})
    baselines.flush()
    assert baselines.status.unsaved
    os.close(directory)
    baselines.flush()
    assert not baselines.status.unsaved
