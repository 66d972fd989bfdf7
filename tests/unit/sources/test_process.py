"""The process source shows what the collector itself costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.source import Request
from hostcollector.catalogue import collection
from hostcollector.sources.process import Process

REQUEST = Request(guests={}, deadline=0.0, taken_at=0.0)
BOTH = """
import json, os, resource
from hostcollector.base.source import Request
from hostcollector.sources.process import Process
read = Process().read(Request(guests={}, deadline=0.0, taken_at=0.0))
threads, files = (len(os.listdir(f"/proc/self/{name}")) for name in ("task", "fd"))
limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
account = [threads, limit, files - 1, sum(os.times()[:2])]
print(json.dumps([{sample.metric.name: sample.value for sample in read.samples}, account]))
"""
"""Prints what the source reads of its process, and what the operating system says of it."""
ROWS = {row for name, row in vars(collection).items() if name.startswith("PROCESS_")}


def test_every_process_series_is_given_once() -> None:
    """Each of the catalogue's rows has a value."""
    rows = [sample.metric for sample in Process().read(REQUEST).samples]
    assert set(rows) == ROWS
    assert len(rows) == len(ROWS)


@pytest.mark.native
def test_this_process_is_read_as_it_is() -> None:
    """Threads, descriptors, limits and CPU time are those that the operating system gives.

    In a process of its own: threads that other tests left are opening files here, which no listing has yet.
    """
    done = subprocess.run(
        [sys.executable, "-c", BOTH], capture_output=True, text=True, check=True, timeout=60
    )
    values, account = json.loads(done.stdout)
    whole = [collection.PROCESS_THREADS, collection.PROCESS_MAX_FDS, collection.PROCESS_OPEN_FDS]
    assert [values[row.name] for row in whole] == account[:3]
    assert values[collection.PROCESS_CPU.name] == pytest.approx(account[3], abs=0.1)


def test_two_sources_do_not_disturb_each_other() -> None:
    """A reload makes a second one; nothing is registered anywhere."""
    first, second = Process(), Process()
    assert len(first.read(REQUEST).samples) == len(second.read(REQUEST).samples)
    first.close()
    assert second.read(REQUEST).samples


def test_without_proc_the_error_says_so(tmp_path: Path) -> None:
    """A wrong root is no process without threads."""
    with pytest.raises(SourceUnavailableError, match="self/stat cannot be read"):
        Process(tmp_path).read(REQUEST)


def test_the_figures_are_those_of_another_reader() -> None:
    """Memory and start time agree with the Prometheus project's Python client."""
    values = {sample.metric.name: sample.value for sample in Process().read(REQUEST).samples}
    reader = ProcessCollector(registry=None)
    theirs = {sample.name: sample.value for family in reader.collect() for sample in family.samples}
    assert values["process_start_time_seconds"] == pytest.approx(theirs["process_start_time_seconds"])
    for name in ("process_resident_memory_bytes", "process_virtual_memory_bytes"):
        assert values[name] == pytest.approx(theirs[name], rel=0.1)


def test_a_file_that_cannot_be_read_costs_its_own_series(tmp_path: Path) -> None:
    """The source is partial then, and the note names the files."""
    (tmp_path / "self").mkdir()
    for name in ("self/stat", "stat"):
        (tmp_path / name).write_bytes((Path("/proc") / name).read_bytes())
    reading = Process(tmp_path).read(REQUEST)
    assert reading.partial
    assert reading.missing == 2
    assert all(f"{tmp_path}/self/{file}" in reading.notes[0] for file in ("limits", "fd"))
    assert {sample.metric for sample in reading.samples} == ROWS - {
        collection.PROCESS_MAX_FDS,
        collection.PROCESS_OPEN_FDS,
    }
