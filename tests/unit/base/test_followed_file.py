"""An operator's file is followed, and no disk that hangs holds up a page."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector.base.errors import ConfigError, ConfigUnreachableError
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.lanes import Lane
from hostcollector.base.log import Transitions


class Disk:
    """A reader of files that hangs while it is held."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()

    def read(self, path: Path) -> str:
        """Return the file's text; the word "wrong" in it is a mistake, "odd" an unforeseen one."""
        self.answers.wait(60)
        try:
            text = path.read_text()
        except OSError as error:
            raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
        if "wrong" in text:
            raise ConfigError(str(path), [text])
        return str(int(text)) if "odd" in text else text


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Give a disk; after the test it hangs no more."""
    disk = Disk()
    yield disk
    disk.answers.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file."""
    path = tmp_path / "map"
    path.write_text("one")
    return path


def followed(path: Path, disk: Disk, patience: float = 30.0, **options: object) -> FollowedFile[str]:
    """Return a followed file that logs what happens to it."""
    transitions = Transitions(logging.getLogger("test"))
    return FollowedFile(path, disk.read, "map", transitions, patience=patience, **options)  # type: ignore[arg-type]


def test_a_change_is_seen_by_the_next_look(path: Path, disk: Disk) -> None:
    """Only a change of the file is one."""
    file = followed(path, disk)
    assert (file.current, file.changed()) == ("one", False)
    path.write_text("two")
    assert (file.changed(), file.current, file.changed()) == (True, "two", False)


def test_each_new_trouble_is_logged_and_its_end(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """The second mistake is as loud as the first, the same one is not logged twice."""
    caplog.set_level(logging.INFO)
    file = followed(path, disk)
    for text in ("wrong 1", "wrong 1", "wrong number 2", "odd", "three"):
        path.write_text(text)
        file.changed()
        file.changed()
        assert (file.current, file.stale) == (("three", False) if text == "three" else ("one", True))
    path.unlink()
    file.changed()
    kept = "map failed: the old one stays in use"
    assert [record.getMessage() for record in caplog.records[:3]] == [
        f"{kept}: {path}: wrong 1",
        f"{kept}: {path}: wrong number 2",
        f"{kept}: {path} cannot be read: ValueError(\"invalid literal for int() with base 10: 'odd'\")",
    ]
    assert caplog.records[3].getMessage().startswith("map recovered after")
    assert "No such file" in caplog.records[4].getMessage()
    assert len(caplog.records) == 5


def test_a_disk_that_hangs_holds_up_no_reader(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """The old content is there at once, the trouble is logged once, and later the new content comes."""
    caplog.set_level(logging.INFO)
    file = followed(path, disk, patience=0.01, hangs_after=0.0)
    disk.answers.clear()
    path.write_text("two")
    assert [file.changed() for _ in range(5)] == [False] * 5
    assert file.current == "one"
    assert [record.getMessage() for record in caplog.records] == [
        f"map failed: the old one stays in use: {path} does not answer"
    ]
    disk.answers.set()
    while not file.changed():
        pass
    assert file.current == "two"
    assert caplog.records[-1].getMessage().startswith("map recovered after")


def test_a_look_that_takes_its_time_is_no_trouble(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """A large map is read for seconds, without a wait and without a log line."""
    file = followed(path, disk, patience=0.0)
    disk.answers.clear()
    path.write_text("two")
    assert [file.changed() for _ in range(5)] == [False] * 5
    disk.answers.set()
    while not file.changed():
        pass
    assert (file.current, caplog.records) == ("two", [])


def test_a_reload_that_mends_a_map_says_so(path: Path, disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """The map is read anew by a reload: what was wrong with it is over."""
    caplog.set_level(logging.INFO)
    transitions = Transitions(logging.getLogger("test"))
    file = FollowedFile(path, disk.read, "map", transitions, patience=30)
    path.write_text("wrong")
    file.changed()
    path.write_text("two")
    assert FollowedFile(path, disk.read, "map", transitions).current == "two"
    assert caplog.records[-1].getMessage().startswith("map recovered after")


def test_the_first_reading_has_to_succeed(path: Path, disk: Disk) -> None:
    """A map that was configured has to be there, and right."""
    path.write_text("wrong")
    with pytest.raises(ConfigError, match="wrong"):
        followed(path, disk)
    path.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        followed(path, disk)


def test_a_first_reading_that_hangs_ends(path: Path, disk: Disk) -> None:
    """That is no wrong configuration, and says so; the next reader of the file does not hang either."""
    lane = Lane("map")
    disk.answers.clear()
    for _ in range(2):
        with pytest.raises(ConfigUnreachableError, match="does not answer"):
            followed(path, disk, 0.01, first_patience=0.05, lane=lane)
    disk.answers.set()
    assert followed(path, disk, 0.01, lane=lane).current == "one"


@pytest.mark.parametrize("module", ["guests.tenant_map", "devices.gpu_map"])
def test_a_pipe_in_the_place_of_a_map_keeps_no_reader_waiting(tmp_path: Path, module: str) -> None:
    """A pipe may stay without a writer: it is refused, and later on the old map stays."""
    read = __import__(f"hostcollector.{module}", fromlist=["read"]).read
    path = tmp_path / "map"
    path.write_text("")
    file = FollowedFile(path, read, "map", patience=30)
    path.unlink()
    os.mkfifo(path)
    assert not file.changed()
    with pytest.raises(ConfigError, match="not a regular file"):
        FollowedFile(path, read, "map")
