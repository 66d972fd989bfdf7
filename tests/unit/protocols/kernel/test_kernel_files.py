"""The kernel's small files are read whole, and nothing in them makes a parser fail in a way of its own."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import SourceMalformedError
from hostcollector.protocols.kernel.files import (
    GONE,
    KeptFiles,
    cpu_count,
    descriptors_to_keep,
    integer,
    names,
    read,
    read_record,
)
from hostcollector.protocols.kernel.process_stat import ProcessStat
from tests.fakes.procfs import KERNEL_THREAD, stat_line


@pytest.mark.parametrize(
    ("text", "count"), [(b"0-3,8\n", 5), (b"0\n", 1), (b"\n", 0), (b"0-0,2-2", 2), (b"0-127,256-383", 256)]
)
def test_a_list_of_cpus_is_counted(text: bytes, count: int) -> None:
    """Ranges include both ends; an empty list is that of a NUMA node without processors."""
    assert cpu_count(text) == count


@pytest.mark.parametrize("text", [b"3-1", b"0-", b"a", b"0,,1", b"0-99999999999", b"-1"])
def test_what_is_no_list_of_cpus_is_an_error(text: bytes) -> None:
    """Half of a list would be a wrong count."""
    with pytest.raises(SourceMalformedError):
        cpu_count(text)


@given(st.binary())
def test_any_text_is_a_list_of_cpus_or_the_typed_error(text: bytes) -> None:
    """A count is never negative."""
    try:
        assert cpu_count(text) >= 0
    except SourceMalformedError as error:
        assert str(error).startswith("not a")  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize("text", [b"-1", b"", b"max", b"18446744073709551616", b"9" * 5000])
def test_only_unsigned_64_bit_numbers_are_numbers(text: bytes) -> None:
    """Nothing larger comes from a kernel, and nothing larger can always be divided."""
    with pytest.raises(SourceMalformedError):
        integer(text)


def test_a_name_may_hold_spaces_and_parentheses() -> None:
    """The name ends at the last parenthesis of the line."""
    line = stat_line(7, "a) S 1 (b", utime=3, stime=4, num_threads=5, starttime=6, rss=8, processor=9)
    stat = ProcessStat.parse(line.encode())
    assert stat.comm == b"a) S 1 (b"
    assert (stat.cpu_ticks, stat.threads, stat.start_ticks) == (7, 5, 6)
    assert (stat.resident_pages, stat.processor) == (8, 9)


@given(st.binary(max_size=16))
def test_every_name_is_read_back(name: bytes) -> None:
    """No name that a program gives itself moves the fields that follow it."""
    line = b"7 (%b) %b" % (name, stat_line(7, "x", starttime=42).partition(") ")[2].encode())
    stat = ProcessStat.parse(line)
    assert (stat.comm, stat.start_ticks) == (name, 42)


@given(st.binary() | st.text(alphabet="0123456789 ()-SZ\n").map(str.encode))
def test_any_line_is_a_stat_line_or_the_typed_error(line: bytes) -> None:
    """What is parsed has a start time."""
    try:
        assert isinstance(ProcessStat.parse(line).start_ticks, int)
    except SourceMalformedError as error:
        assert "stat line" in str(error)  # noqa: PT017 - both outcomes are right


def test_kernel_threads_and_ended_processes_are_distinguished_from_others() -> None:
    """A program cannot be taken for a kernel thread by its name, and a zombie's figures are no guest's."""
    alive = ProcessStat.parse(stat_line(7, "vhost-1").encode())
    assert not alive.is_kernel_thread
    assert not alive.is_dead
    assert ProcessStat.parse(stat_line(7, "vhost-1", flags=KERNEL_THREAD).encode()).is_kernel_thread
    assert ProcessStat.parse(stat_line(7, "qemu", state="Z").encode()).is_dead


@pytest.mark.native
def test_this_process_is_read_as_it_is() -> None:
    """The fields have the right numbers: this process's figures are the operating system's."""
    stat = ProcessStat.parse(read_record("/proc/self/stat"))
    user, system = os.times()[:2]
    assert stat.threads == len(names("/proc/self/task"))
    assert stat.cpu_ticks / os.sysconf("SC_CLK_TCK") == pytest.approx(user + system, abs=0.1)
    assert stat.resident_pages > 1000
    assert stat.processor in range(os.cpu_count() or 1)
    assert not stat.is_dead


@pytest.mark.native
def test_a_file_that_the_kernel_gives_in_pieces_is_read_whole() -> None:
    """The mappings of a process are longer than what one read gives."""
    content = read("/proc/self/smaps")
    assert len(content) > 8192
    assert content.endswith(b"\n")
    assert len(content.splitlines()) > len(read_record("/proc/self/smaps").splitlines())


@pytest.mark.parametrize("length", [8191, 8192, 8193, 100_000])
def test_a_record_of_any_length_is_read_whole(length: int, tmp_path: Path) -> None:
    """A record that is cut would end in the middle of a number: a smaller number, and no error."""
    file = tmp_path / "io.stat"
    file.write_bytes(b"9" * length)
    files = KeptFiles()
    assert read_record(str(file)) == files.read(str(file)) == b"9" * length


def test_a_record_without_an_end_is_an_error() -> None:
    """Memory is bounded whatever a path leads to."""
    with pytest.raises(OSError, match="too large"):
        read_record("/dev/zero")


def test_an_ended_process_is_gone() -> None:
    """Reading what is left of it raises one of the two errors that mean so."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(GONE):
        read_record(f"/proc/{child.pid}/stat")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Not after a read, and not after one that fails."""
    before = len(names("/proc/self/fd"))
    assert read("/proc/self/stat")
    with pytest.raises(IsADirectoryError):
        read_record(str(tmp_path))
    assert len(names("/proc/self/fd")) == before


@pytest.mark.native
def test_a_kept_file_is_read_anew_each_time() -> None:
    """The descriptor stays open, and the content is that of the moment."""
    files = KeptFiles()
    before = len(names("/proc/self/fd"))
    first = ProcessStat.parse(files.read("/proc/self/stat"))
    spend = sum(range(3_000_000))
    second = ProcessStat.parse(files.read("/proc/self/stat"))
    assert spend
    assert second.cpu_ticks > first.cpu_ticks
    assert len(names("/proc/self/fd")) == before + 1
    files.close()
    assert len(names("/proc/self/fd")) == before


@pytest.mark.native
def test_a_kept_file_of_an_ended_process_is_gone() -> None:
    """Also while its descriptor is still open: it raises what reading by name raises."""
    files = KeptFiles()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        path = f"/proc/{child.pid}/stat"
        assert ProcessStat.parse(files.read(path)).threads == 1
    with pytest.raises(GONE):
        files.read(path)
    with pytest.raises(GONE):
        files.read(path)


@pytest.mark.native
def test_files_that_are_not_read_any_more_are_closed() -> None:
    """A file is closed after the first reading without it."""
    files = KeptFiles()
    before = len(names("/proc/self/fd"))
    for path in ("/proc/self/stat", "/proc/self/schedstat"):
        files.read(path)
    files.begin()
    files.read("/proc/self/stat")
    assert len(names("/proc/self/fd")) == before + 2
    files.begin()
    assert len(names("/proc/self/fd")) == before + 1
    files.close()


def test_only_so_many_files_are_kept() -> None:
    """Those beyond the limit are read all the same."""
    files = KeptFiles(most=1)
    before = len(names("/proc/self/fd"))
    for _ in range(2):
        assert files.read("/proc/self/stat")
        assert files.read("/proc/self/schedstat")
    assert len(names("/proc/self/fd")) == before + 1
    files.close()


def test_an_ordinary_file_is_not_kept(tmp_path: Path) -> None:
    """Another file may take its name, which a descriptor would not show."""
    files, path = KeptFiles(), tmp_path / "stat"
    path.write_text("one")
    assert files.read(str(path)) == b"one"
    path.unlink()
    path.write_text("two")
    assert files.read(str(path)) == b"two"
    path.unlink()
    with pytest.raises(GONE):
        files.read(str(path))


def test_few_descriptors_are_left_to_others() -> None:
    """A process that may open only a thousand keeps none; one with the unit's limit keeps thousands."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    counts = []
    try:
        for limit in (1024, 2048, 16384):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
            counts.append(descriptors_to_keep())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert counts == [0, 128, 1920]
