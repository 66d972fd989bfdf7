"""A state file trusts no other account that may write beside it: no link and no foreign file is used."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hostcollector.base.errors import StateError, StateUnreachableError
from hostcollector.base.state_file import LARGEST, UNREADABLE, StateFile

NAME = "record.json"
PLANTED = (NAME, f"{NAME}.tmp", f"{NAME}.0123456789abcdef.tmp", f"{NAME}{UNREADABLE}")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other accounts: needs root")


def names_in(directory: Path) -> list[str]:
    """Return what is in a directory."""
    return [path.name for path in directory.iterdir()]


def content_of(file: StateFile) -> bytes | None:
    """Return what the file holds."""
    document = file.read()
    return None if document is None else document.content


@pytest.mark.parametrize("name", [NAME, f"below/{NAME}", f"far/below/{NAME}"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    """The folders are made, the document is for its owner and group, and nothing else is left there."""
    file = StateFile(tmp_path / "state", name)
    assert file.read() is None
    file.replace(b"one")
    file.replace(b"two")
    assert content_of(file) == b"two"
    assert stat.S_IMODE(file.path.stat().st_mode) & 0o007 == 0
    assert names_in(file.path.parent) == [NAME]


@pytest.mark.parametrize(
    "planted", [f"{NAME}.tmp", NAME, f"{NAME}{UNREADABLE}", f"{NAME}.0123456789abcdef.tmp"]
)
def test_no_link_leads_a_write_out_of_the_directory(tmp_path: Path, planted: str) -> None:
    """A link that was planted under any name is replaced or left alone; what it names keeps its content."""
    precious = tmp_path / "shadow"
    precious.write_bytes(b"root's")
    state = tmp_path / "state"
    state.mkdir()
    (state / planted).symlink_to(precious)
    file = StateFile(state, NAME)
    file.replace(b"new")
    assert (precious.read_bytes(), content_of(file)) == (b"root's", b"new")
    assert not file.path.is_symlink()


def test_a_hard_link_keeps_its_content(tmp_path: Path) -> None:
    """A document is replaced, never written into: what shares its inode is not touched."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"root's")
    (tmp_path / NAME).hardlink_to(precious)
    StateFile(tmp_path, NAME).replace(b"new")
    assert precious.read_bytes() == b"root's"


def test_a_link_is_not_read(tmp_path: Path) -> None:
    """A link in the document's place is set aside as it is, and its target's content is nowhere."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / NAME).symlink_to(tmp_path / "secret")
    with pytest.raises(StateError, match=r"symbolic link \(set aside as record.json.unreadable\)") as caught:
        StateFile(tmp_path, NAME).read()
    assert "secret" not in str(caught.value)
    assert (tmp_path / f"{NAME}{UNREADABLE}").is_symlink()


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    """A folder of the state directory that leads elsewhere holds no document and takes none."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / NAME).write_bytes(b"other")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/below").symlink_to(elsewhere)
    file = StateFile(tmp_path / "state", f"below/{NAME}")
    assert file.read() is None
    with pytest.raises(StateError, match="cannot be written"):
        file.replace(b"new")
    assert (elsewhere / NAME).read_bytes() == b"other"


def test_the_state_directory_may_be_a_link_of_the_operator(tmp_path: Path) -> None:
    """Its path comes from the configuration; another disk under /data is a choice."""
    (tmp_path / "data").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "data")
    StateFile(tmp_path / "state", NAME).replace(b"one")
    assert (tmp_path / "data" / NAME).read_bytes() == b"one"


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (_fifo, "not a regular file"),
        pytest.param(_device, "not a regular file", marks=as_root),
        (Path.mkdir, "not a regular file|directory"),
        (_large, "larger than"),
    ],
)
def test_only_a_regular_file_of_bounded_size_is_read(
    tmp_path: Path, plant: Callable[[Path], None], why: str
) -> None:
    """A pipe keeps no reader waiting, a device or a huge file is not read: each is set aside and named."""
    plant(tmp_path / NAME)
    with pytest.raises(StateError, match=why):
        StateFile(tmp_path, NAME).read()
    assert names_in(tmp_path) == [NAME + UNREADABLE]


@as_root
def test_a_file_of_another_account_is_not_read(tmp_path: Path) -> None:
    """A document of the directory's owner, root or this account is believed, no other."""
    file = StateFile(tmp_path, NAME)
    file.replace(b"one")
    os.chown(file.path, 4711, 4711)
    with pytest.raises(StateError, match="belongs to the account 4711"):
        file.read()


@as_root
def test_root_reads_an_accounts_document_and_writes_nothing_there(tmp_path: Path) -> None:
    """In a directory of another account root could be led astray: it looks, and refuses to write."""
    state = tmp_path / "state"
    state.mkdir()
    (state / NAME).write_bytes(b"theirs")
    for path in (state, state / NAME):
        os.chown(path, 4711, 4711)
    file = StateFile(state, NAME)
    assert content_of(file) == b"theirs"
    with pytest.raises(StateError, match=r"belongs to the account 4711, and this process runs as 0"):
        file.replace(b"new")
    assert ((state / NAME).read_bytes(), names_in(state)) == (b"theirs", [NAME])


def test_a_directory_that_every_account_may_write_takes_no_document(tmp_path: Path) -> None:
    """An account that may exchange the document is no better than another owner."""
    tmp_path.chmod(0o777)
    with pytest.raises(StateError, match="chmod o-w"):
        StateFile(tmp_path, NAME).replace(b"new")


def test_a_directory_where_every_account_may_write_beside_takes_one(tmp_path: Path) -> None:
    """In a sticky directory, such as a file system in memory, no account can exchange another one's file."""
    tmp_path.chmod(0o1777)
    file = StateFile(tmp_path, NAME)
    file.replace(b"new")
    assert content_of(file) == b"new"


def test_a_reader_leaves_the_disk_as_it_is(tmp_path: Path) -> None:
    """Where nothing may be written, what cannot be believed is left in place too."""
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    file = StateFile(tmp_path, NAME, writes=False)
    with pytest.raises(StateError, match=r"symbolic link$"):
        file.read()
    with pytest.raises(StateError, match="only read"):
        file.replace(b"new")
    assert str(file.damaged(ValueError("odd"))).endswith("is damaged: odd")
    assert names_in(tmp_path) == [NAME]


def test_a_disk_that_fails_costs_no_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk says nothing of the document: it is not set aside, and may be read later."""
    file = StateFile(tmp_path, NAME)
    file.replace(b"one")

    def fail(*_arguments: object, **_keywords: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "open", fail)
        with pytest.raises(StateUnreachableError, match="Input/output error"):
            file.read()
    assert content_of(file) == b"one"
