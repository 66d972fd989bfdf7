"""`collect --output` replaces a file for node_exporter as a whole, and nothing but a file."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hostcollector.app.cli import main, textfile
from hostcollector.app.cli.textfile import OutputError, write
from tests.serving import NOWHERE
from tests.unit.app.test_by_hand import PAGE, STATE, Daemon
from tests.unit.app.test_by_hand import daemon as daemon  # noqa: PLC0414 - a fixture of the commands' tests
from tests.unit.app.test_by_hand import etc as etc  # noqa: PLC0414

PROCESS = (
    "# HELP process_open_fds Open files.\n# TYPE process_open_fds gauge\nprocess_open_fds 7\n"
    "# HELP libvirt_domain_info_state State.\n# TYPE libvirt_domain_info_state gauge\n"
    'libvirt_domain_info_state{domain="process_ # HELP process_"} 1\n'
)


@pytest.mark.usefixtures("daemon")
def test_the_daemons_page_becomes_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """All accounts may read it under any umask, nothing is printed, and no temporary file stays."""
    file = tmp_path / "textfile" / "host.prom"
    file.parent.mkdir()
    file.write_text("old")
    before = os.umask(0o077)
    try:
        assert main(["collect", f"--output={file}"]) == 0
    finally:
        os.umask(before)
    assert file.read_text() == PAGE
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(file.parent.iterdir()) == [file]
    assert capfd.readouterr().out == ""


def test_without_libvirt_the_file_says_so(daemon: Daemon, tmp_path: Path) -> None:
    """The page is written, and the exit status is 1 as without a file."""
    daemon.pages["/status.json"] = (200, json.dumps(STATE | {"libvirt_up": False}).encode())
    assert main(["collect", f"--output={tmp_path}/host.prom"]) == 1
    assert (tmp_path / "host.prom").read_text() == PAGE


def test_a_page_of_its_own_collection_is_text_without_timestamps(tmp_path: Path) -> None:
    """Without a daemon the command collects; the file is what node_exporter's parser takes."""
    file, config = tmp_path / "host.prom", tmp_path / "config.yml"
    config.write_text(f"paths: {{state_directory: {tmp_path}/state}}")
    command = [sys.executable, "-m", "hostcollector", "collect", "--own", f"--config.file={config}"]
    done = subprocess.run([*command, f"--libvirt.uri={NOWHERE}", f"--output={file}"], check=False)
    assert done.returncode == 1
    families = list(text_string_to_metric_families(file.read_text()))
    assert {family.name for family in families} > {"libvirt_up", "hostcollector_build_info"}
    assert not [family.name for family in families if family.name.startswith("process_")]
    assert all(sample.timestamp is None for family in families for sample in family.samples)


def test_series_that_node_exporter_has_too_are_left_out() -> None:
    """Two series of one name and labels cost node_exporter its page; label values are not looked at."""
    assert textfile.without_its_own(PROCESS.encode()) == PROCESS.partition("fds 7\n")[2].encode()


@pytest.mark.parametrize("name", ["host.txt", "host", "host.prom.tmp", ""])
def test_another_ending_is_wrong_use(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """node_exporter would not read such a file: exit status 2, before anything is collected."""
    with pytest.raises(SystemExit) as ended:
        main(["collect", f"--output={name and tmp_path / name}"])
    assert ended.value.code == 2
    assert "expected a name that ends in .prom" in capsys.readouterr().err


def test_a_profile_is_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    """--profile and --output together are wrong use."""
    with pytest.raises(SystemExit) as ended:
        main(["collect", "--profile", "--output=/tmp/host.prom"])
    assert ended.value.code == 2
    assert "leave out --output" in capsys.readouterr().err


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    """They stay as they are, and so does what a link points to."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "link.prom").symlink_to(victim)
    (tmp_path / "dangling.prom").symlink_to(tmp_path / "missing")
    (tmp_path / "folder.prom").mkdir()
    os.mkfifo(tmp_path / "fifo.prom")
    for name, why in (
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("folder", "not a regular file"),
        ("fifo", "not a regular file"),
    ):
        with pytest.raises(OutputError, match=f"{name}.prom cannot be written: it is {why}"):
            write(tmp_path / f"{name}.prom", b"page")
    assert victim.read_text() == "precious"
    assert (tmp_path / "link.prom").is_symlink()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_a_place_that_cannot_be_written_is_named_before_anything_is_collected(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 and one sentence with the file and the cause; neither libvirt nor the daemon is asked."""
    (tmp_path / "file").touch()
    (tmp_path / "link.prom").symlink_to(tmp_path / "file")
    for name, why in (
        ("missing/host.prom", "No such file or directory"),
        ("file/host.prom", "Not a directory"),
        ("link.prom", "it is a symbolic link"),
    ):
        assert main(["collect", "--own", f"--output={tmp_path}/{name}"]) == 1
        assert capfd.readouterr().err == f"hostcollector: {tmp_path}/{name} cannot be written: {why}\n"


def test_a_full_disk_keeps_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file goes, the old page stays whole."""
    file = tmp_path / "host.prom"
    write(file, b"old\n")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(file, b"new\n")
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == b"old\n"


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    """Pages that are replaced while they are read are whole, all of them."""
    file = tmp_path / "host.prom"
    pages = [character * 300_000 + b"\n" for character in (b"a", b"b")]
    write(file, pages[0])
    ended, torn = threading.Event(), []

    def read() -> None:
        while not ended.is_set():
            if (found := file.read_bytes()) not in pages:
                torn.append(len(found))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        write(file, pages[number % 2])
    ended.set()
    reader.join()
    assert torn == []
