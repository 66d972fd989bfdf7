"""The daemon as a process: what a reload may change, and what overtakes it."""

import json
import os
import signal
import socket
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.serving import ServingDaemon, running_daemon, wait
from tests.unit.web.conftest import Pki, web_config
from tests.unit.web.conftest import pki as pki  # noqa: PLC0414 - a fixture of the web side's tests
from tests.unit.web.conftest import tls as tls  # noqa: PLC0414
from tests.unit.web.test_admission import basic
from tests.unit.web.test_passwords import HASHES

REFUSED = "the old configuration stays in use"
CONFIGURATION = "{sources: {cgroup: false}, collection: {maximum_age_seconds: 0}}\n"


def reload(daemon: ServingDaemon, word: str, times: int = 1) -> None:
    """Tell it to reload, and wait until the log has said `word` so often."""
    daemon.child.send_signal(signal.SIGHUP)
    wait(lambda: daemon.log.read_text().count(word) >= times, word)


def shown(daemon: ServingDaemon, file: Path, *, reloaded: bool) -> None:
    """Wait until the page shows the file's digest, and whether the last reload succeeded."""
    digest = f'hostcollector_config_info{{sha256="{sha256(file.read_bytes()).hexdigest()}"}} 1.0'
    result = f"hostcollector_config_last_reload_successful {float(reloaded)}"
    wait(lambda: {digest, result} <= set(daemon.get("/metrics")[1].split("\n")), f"{digest}, {result}")


def test_a_reload_takes_no_protection_away(tls: dict[str, Any], pki: Pki, tmp_path: Path) -> None:
    """An emptied file, TLS alone and users alone are refused: without a restart the page stays as closed."""
    file = web_config(tmp_path, tls_server_config=tls, basic_auth_users=HASHES)
    less: tuple[dict[str, Any], ...] = ({}, {"tls_server_config": tls}, {"basic_auth_users": HASHES})
    with running_daemon(tmp_path, f"--web.config.file={file}", trust=pki.client_context()) as daemon:
        for number, sections in enumerate(less):
            web_config(tmp_path, **sections)
            reload(daemon, REFUSED, number + 1)
            assert daemon.get("/metrics")[0] == 401
        file.write_text("")
        reload(daemon, REFUSED, len(less) + 1)
        assert daemon.get("/metrics")[0] == 401
        assert daemon.get("/metrics", basic("prometheus", "secret"))[0] == 200
        web_config(tmp_path, tls_server_config=tls, basic_auth_users=HASHES, http_server_config={})
        reload(daemon, "configuration reloaded")
        assert daemon.end() == 0
    assert "needs a restart" in daemon.log.read_text()


def test_an_unforeseen_error_keeps_the_old_configuration(tmp_path: Path) -> None:
    """Whatever reading raises: the daemon goes on, the page shows it, and the log has the traceback."""
    code = (
        "import hostcollector.app.cli.flags as flags, hostcollector.app.cli as cli, pathlib, sys\n"
        "before = flags.read_configuration\n"
        "def read(path, names):\n"
        f"    if pathlib.Path({str(tmp_path / 'broken')!r}).exists():\n"
        "        raise ZeroDivisionError('of all things')\n"
        "    return before(path, names)\n"
        "flags.read_configuration = read\n"
        "sys.exit(cli.main())\n"
    )
    file = tmp_path / "config.yml"
    file.write_text(CONFIGURATION)
    with running_daemon(tmp_path, f"--config.file={file}", program=("-c", code)) as daemon:
        shown(daemon, file, reloaded=True)
        (tmp_path / "broken").touch()
        reload(daemon, REFUSED)
        shown(daemon, file, reloaded=False)
        (tmp_path / "broken").unlink()
        file.write_text(f"{CONFIGURATION}\n")
        reload(daemon, "configuration reloaded")
        shown(daemon, file, reloaded=True)
        assert daemon.end() == 0
    assert "ZeroDivisionError: of all things" in daemon.log.read_text()
    assert daemon.log.read_text().count(REFUSED) == 1


def test_the_end_overtakes_reloads(tmp_path: Path) -> None:
    """Sixty reloads that were asked for before the end do not hold it up."""
    with running_daemon(tmp_path) as daemon:
        for _ in range(60):
            daemon.child.send_signal(signal.SIGHUP)
        assert daemon.end() == 0
    assert daemon.log.read_text().count("configuration reloaded") < 60


def test_a_reload_that_hangs_does_not_keep_the_daemon(tmp_path: Path) -> None:
    """A configuration on a file system that does not answer: the page goes on, and SIGTERM ends it."""
    file = tmp_path / "config.yml"
    file.write_text("sources: {cgroup: false}\n")
    with running_daemon(tmp_path, f"--config.file={file}") as daemon:
        file.unlink()
        os.mkfifo(file)
        opened = threading.Event()

        def hold() -> None:
            with file.open("wb"):  # returns when the daemon has opened it too
                opened.set()
                daemon.child.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        daemon.child.send_signal(signal.SIGHUP)
        assert opened.wait(20)
        assert daemon.get("/metrics")[0] == 200
        assert daemon.end() == 0
        holder.join()


def test_systemd_gets_the_scheme_that_is_served(tls: dict[str, Any], pki: Pki, tmp_path: Path) -> None:
    """READY comes after the switch: with an https URL after TLS came, and after a reload that was refused."""
    file = web_config(tmp_path)
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(10)
        with running_daemon(tmp_path, f"--web.config.file={file}", notify=str(path)) as daemon:
            heard = [_next(systemd)]
            web_config(tmp_path, tls_server_config=tls)
            daemon.child.send_signal(signal.SIGHUP)
            heard += [_next(systemd), _next(systemd)]
            file.write_text(json.dumps({"tls_server_config": {}}))
            daemon.child.send_signal(signal.SIGHUP)
            heard += [_next(systemd), _next(systemd)]
    words = [message.partition("=")[0] for message in heard]
    assert words == ["READY", "RELOADING", "READY", "RELOADING", "READY"]
    assert [message.partition("serving ")[2].partition(":")[0] for message in heard[::2]] == [
        "http",
        "https",
        "https",
    ]


def _next(systemd: socket.socket) -> str:
    """Return the next message that is not the watchdog's."""
    while True:
        message = systemd.recv(4096).decode()
        if message != "WATCHDOG=1":
            return message


@pytest.mark.parametrize("name", ["hostcollector.sock"])
def test_a_port_in_use_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    """A daemon that cannot listen has opened nothing: no socket of its own, no session at a service."""
    (tmp_path / "run").mkdir()
    config = tmp_path / "config.yml"
    config.write_text(f"paths: {{runtime_directory: {tmp_path}/run, state_directory: {tmp_path}}}\n")
    with running_daemon(tmp_path, f"--config.file={config}") as first:
        wait((tmp_path / "run" / name).exists, "no socket")  # it is made after the page is served
        before = (tmp_path / "run" / name).stat().st_ino
        second = [f"--config.file={config}", f"--web.listen-address={first.url.removeprefix('http://')}"]
        assert first.beside(*second) == 1
        assert (tmp_path / "run" / name).stat().st_ino == before
        assert first.end() == 0
