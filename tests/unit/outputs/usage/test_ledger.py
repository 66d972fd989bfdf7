"""The ledger on disk: a crash at any byte, a full disk and damaged lines lose nothing that was whole."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostcollector.base.errors import StateError
from hostcollector.catalogue.usage import HourClosed, UsageRecord, parse_line
from hostcollector.outputs.usage.keeper import FILE_NAME, Keeper
from hostcollector.outputs.usage.ledger import FOLDER, CursorError, Ledger
from tests.unit.outputs.usage.world import LEDGER, World, by_vm, total, vm_name

NOW = 1795906800.0
DAY = 86_400


def closed(number: int, name: str = LEDGER) -> HourClosed:
    """Return a short line."""
    return HourClosed(sequence=number, ledger=name, hour=int(NOW) + 3600 * number)


def opened(directory: Path, **options: Any) -> Ledger:
    """Open a ledger of a fixed name."""
    ledger = Ledger(directory, **options)
    ledger.open()
    ledger.name = ledger.name if ledger.last else LEDGER
    return ledger


def numbers(ledger: Ledger, after: int = 0, limit: int = 10_000) -> list[int]:
    """Return the sequence numbers that a reader gets."""
    return [parse_line(line).sequence for line in ledger.read(after, limit)]


def test_lines_are_read_in_order_from_a_cursor(tmp_path: Path) -> None:
    """Each day has a file; a reader gets what is newer than its cursor, at most so many lines."""
    ledger = opened(tmp_path)
    assert ledger.read(0, 10) == []
    for day in range(5):
        first = 1 + 3 * day
        ledger.append([closed(first), closed(first + 1), closed(first + 2)], NOW + day * DAY)
    assert numbers(ledger) == list(range(1, 16))
    assert numbers(ledger, 4, 6) == [5, 6, 7, 8, 9, 10]
    assert numbers(ledger, 15) == []
    with pytest.raises(CursorError):
        ledger.read(16, 1)
    ledger.close()
    again = opened(tmp_path)
    assert (again.name, again.last, numbers(again, 13)) == (LEDGER, 15, [14, 15])
    assert len(list((tmp_path / FOLDER).iterdir())) == 5
    assert again.open_hour() == int(NOW) + 3600 * 16
    again.append([closed(16)], NOW + 4 * DAY)
    assert numbers(again) == list(range(1, 17))


def test_old_files_are_removed(tmp_path: Path) -> None:
    """Forty days are kept, and the present one."""
    ledger = opened(tmp_path)
    for day in range(60):
        ledger.append([closed(day + 1)], NOW + day * DAY)
    assert numbers(ledger) == list(range(20, 61))
    assert opened(tmp_path, writes=False).last == 60


def test_a_crash_at_every_byte_leaves_whole_lines(tmp_path: Path) -> None:
    """Whatever part of an append reached the disk, the whole lines of it are kept and the rest is cut off."""
    ledger = opened(tmp_path)
    ledger.append([closed(1), closed(2)], NOW)
    (file,) = (tmp_path / FOLDER).iterdir()
    before = file.read_bytes()
    ledger.append([closed(3), closed(4)], NOW)
    after = file.read_bytes()
    ledger.close()
    for size in range(len(before), len(after) + 1):
        file.write_bytes(after[:size])
        torn = opened(tmp_path)
        whole = 2 + after[len(before) : size].count(b"\n")
        assert torn.last == whole
        torn.append([closed(whole + 1)], NOW)
        assert numbers(torn) == list(range(1, whole + 2))
        torn.close()


def test_a_crash_while_the_file_is_made(tmp_path: Path) -> None:
    """A file whose first line is not whole has no records; it is made again."""
    ledger = opened(tmp_path)
    ledger.append([closed(1)], NOW)
    ledger.close()
    (file,) = (tmp_path / FOLDER).iterdir()
    head = file.read_bytes().split(b"\n")[0]
    for size in range(len(head) + 1):
        file.write_bytes(head[:size])
        torn = opened(tmp_path)
        torn.append([closed(1)], NOW)
        assert numbers(torn) == [1]
        torn.close()


def test_a_damaged_line_costs_itself_only(tmp_path: Path) -> None:
    """A line whose checksum is wrong is not served; the others are, and it is counted."""
    ledger = opened(tmp_path)
    ledger.append([closed(1), closed(2), closed(3)], NOW)
    ledger.close()
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_bytes(file.read_bytes().replace(b'"sequence":2', b'"sequence":9'))
    again = opened(tmp_path)
    assert numbers(again) == [1, 3]
    assert again.bad_lines == 1


def test_lines_are_synced_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reader has got is on the disk, and so is the file's name: a power cut takes neither back."""
    ledger, synced = opened(tmp_path), dict[int, int]()
    sync = os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_size

    monkeypatch.setattr(os, "fsync", noted)
    for number in (1, 2):
        ledger.append([closed(number)], NOW)
        (size,) = (file.stat().st_size for file in (tmp_path / FOLDER).iterdir())
        assert [synced[file.stat().st_ino] for file in (tmp_path / FOLDER).iterdir()] == [size]
    assert (tmp_path / FOLDER).stat().st_ino in synced


def test_files_of_another_ledger_are_not_served(tmp_path: Path) -> None:
    """Two disks' files in one folder: only the newest file's ledger is there, with its own numbers."""
    ledger = opened(tmp_path / "a")
    ledger.append([closed(1), closed(2)], NOW)
    name = "f" * 32
    other = opened(tmp_path / "b")
    other.name = name
    other.append([closed(7, name)], NOW)
    (file,) = (tmp_path / "b" / FOLDER).iterdir()
    (tmp_path / "a" / FOLDER / file.name).write_bytes(file.read_bytes())
    ledger.close()
    again = opened(tmp_path / "a")
    assert (again.name, again.last, numbers(again)) == (name, 7, [7])


def test_one_daemon_writes(tmp_path: Path) -> None:
    """A second daemon with the same state directory gets an error; a command only reads."""
    ledger = opened(tmp_path)
    ledger.append([closed(1)], NOW)
    with pytest.raises(StateError, match="another process"):
        Ledger(tmp_path).open()
    assert numbers(opened(tmp_path, writes=False)) == [1]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A file that was replaced by a link is not written."""
    ledger = opened(tmp_path)
    ledger.append([closed(1)], NOW)
    (file,) = (tmp_path / FOLDER).iterdir()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="symbolic link"):
        ledger.append([closed(2)], NOW)


class Disk:
    """A disk that is full after so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self._write: Callable[[int, bytes], int] = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, text: bytes) -> int:
        """Write what there is room for."""
        if self.left is None:
            return self._write(descriptor, text)
        if self.left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, text[: self.left])
        self.left -= written
        return written


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append that finds no room is taken back; the same lines are appended when there is room."""
    disk, ledger = Disk(monkeypatch), opened(tmp_path)
    ledger.append([closed(1)], NOW)
    for room in range(0, 150, 7):
        disk.left = room
        with pytest.raises(StateError, match="No space left"):
            ledger.append([closed(2), closed(3)], NOW + DAY * (room % 2))
    disk.left = None
    ledger.append([closed(2), closed(3)], NOW + DAY)
    assert numbers(ledger) == [1, 2, 3]


def keeper_of(world: World, directory: Path) -> Keeper:
    """Return a keeper with the world's clock, opened."""
    keeper = Keeper(directory, lambda: world.now, "boot")
    books = keeper.open()
    assert books is not None, keeper.problem
    world.books = books
    return keeper


def records_of(keeper: Keeper) -> list[UsageRecord]:
    """Return all records as a reader gets them."""
    lines = [parse_line(line) for line in keeper.ledger.read(0, 10**6)]
    assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
    return [line for line in lines if isinstance(line, UsageRecord)]


class CrashError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("where", range(7))
def test_the_daemon_may_end_at_any_step_of_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: int
) -> None:
    """Killed between two steps of the disk, at each of them in turn, the sums are those of the counters."""
    world = World()
    steps = 0

    def step(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps % 7 == where:
                raise CrashError
            return function(*arguments, **options)

        return counted

    keeper: Keeper | None = keeper_of(world, tmp_path)
    assert keeper is not None
    world.books.take(world.round_())
    assert keeper.save()
    world.pass_time(1)
    for name in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, name, step(getattr(os, name)))
    crashes = 0
    world.start(0)
    for _ in range(60):
        world.pass_time(300, 1_000_003)
        if keeper is None:
            keeper = _or_crash(lambda: keeper_of(world, tmp_path))
        if keeper is not None:
            world.books.take(world.round_())
            if _or_crash(keeper.save) is None:
                crashes += 1
                keeper.ledger.close()
                keeper = None
    monkeypatch.undo()
    keeper = keeper or keeper_of(world, tmp_path)
    world.books.take(world.round_())
    world.stop(0)
    world.pass_time(1)
    world.books.take(world.round_())
    assert keeper.save()
    records = records_of(keeper)
    assert crashes > 5
    assert len({record.id for record in records}) == len(records)
    assert total(by_vm(records)[vm_name(0)], "disk_written_bytes") == 60 * 1_000_003


def _or_crash(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except CrashError:
        return None


def test_a_full_disk_costs_nothing_while_the_daemon_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records wait in memory, the error is counted and named, and all is written when there is room."""
    world, disk = World(), Disk(monkeypatch)
    keeper = keeper_of(world, tmp_path)
    world.start(0)
    for number in range(70):
        world.pass_time(300, 100)
        world.books.take(world.round_())
        disk.left = 100 if 10 < number < 60 else None
        assert keeper.save() is (disk.left is None or not world.books.account.lines)
    assert keeper.errors > 30
    world.stop(0)
    world.pass_time(1)
    world.books.take(world.round_())
    assert keeper.save()
    assert (keeper.problem, keeper.unsaved) == ("", False)
    assert total(records_of(keeper), "disk_written_bytes") == 7000


def test_a_lost_state_begins_lives_anew_and_the_sequence_goes_on(tmp_path: Path) -> None:
    """A damaged account of open lives is set aside: nothing is counted twice, and no number is used again."""
    world = World()
    keeper = keeper_of(world, tmp_path)
    world.start(0)
    for _ in range(200):
        world.pass_time(30, 10)
        world.books.take(world.round_())
    assert keeper.save()
    last = keeper.ledger.last
    keeper.ledger.close()
    (tmp_path / FILE_NAME).write_text("{")
    keeper = keeper_of(world, tmp_path)
    for _ in range(200):
        world.books.take(world.round_())
        world.pass_time(30, 10)
    assert keeper.save()
    records = records_of(keeper)
    assert keeper.ledger.last > last
    assert total(records, "disk_written_bytes") <= 3990
    assert len({record.ledger for record in records}) == 1


def test_a_ledger_that_was_removed_has_another_name(tmp_path: Path) -> None:
    """A host that was installed anew is another ledger to its readers; open lives go on."""
    world = World()
    keeper = keeper_of(world, tmp_path / "a")
    first = keeper.ledger.name
    world.start(0)
    world.pass_time(30, 10)
    world.books.take(world.round_())
    assert keeper.save()
    keeper.ledger.close()
    other = keeper_of(world, tmp_path / "b")
    assert other.ledger.name != first
    other.ledger.close()
    (tmp_path / "b" / FILE_NAME).parent.mkdir(parents=True)
    (tmp_path / "a" / FILE_NAME).rename(tmp_path / "b" / FILE_NAME)
    assert keeper_of(world, tmp_path / "b").ledger.name == first


def hours_pass(world: World, keeper: Keeper, hours: int) -> None:
    """Let hours pass with a collection each half a minute, and save."""
    for _ in range(hours * 120):
        world.pass_time(30, 10)
        world.books.take(world.round_())
    assert keeper.save()


def lines_of(keeper: Keeper) -> list[tuple[int, str]]:
    """Return the number and the ledger of each line."""
    lines = [parse_line(line) for line in keeper.ledger.read(0, 100)]
    return [(line.sequence, line.ledger) for line in lines]


def test_an_account_from_a_backup_does_not_number_lines_twice(tmp_path: Path) -> None:
    """The ledger has more lines than the account knows: the account is not taken, the numbers go on."""
    world = World()
    world.start(0)
    keeper = keeper_of(world, tmp_path)
    hours_pass(world, keeper, 2)
    old = (tmp_path / FILE_NAME).read_bytes()
    hours_pass(world, keeper, 2)
    last, name = keeper.ledger.last, keeper.ledger.name
    keeper.ledger.close()
    (tmp_path / FILE_NAME).write_bytes(old)
    keeper = keeper_of(world, tmp_path)
    hours_pass(world, keeper, 2)
    assert keeper.ledger.last > last
    assert lines_of(keeper) == [(number, name) for number in range(1, keeper.ledger.last + 1)]
    assert len({record.id for record in records_of(keeper)}) == len(records_of(keeper))


def test_an_account_of_another_ledger_goes_on_under_the_name_that_is_there(tmp_path: Path) -> None:
    """Its open lives are counted; its numbers follow those of the lines that the ledger has."""
    world = World()
    keeper = keeper_of(world, tmp_path / "a")
    hours_pass(world, keeper, 3)
    keeper.ledger.close()
    there = World()
    other = keeper_of(there, tmp_path / "b")
    hours_pass(there, other, 1)
    name, last = other.ledger.name, other.ledger.last
    other.ledger.close()
    (tmp_path / "a" / FILE_NAME).rename(tmp_path / "b" / FILE_NAME)
    keeper = keeper_of(world, tmp_path / "b")
    hours_pass(world, keeper, 2)
    assert keeper.ledger.last > last
    assert lines_of(keeper) == [(number, name) for number in range(1, keeper.ledger.last + 1)]
