"""Commands by hand: they read the daemon that runs, take its configuration, and say which."""

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from hostcollector.app.cli import commands, main
from hostcollector.app.cli.parser import make_parser
from hostcollector.app.cli.running import DaemonSilentError, NotRunningError, RunningDaemon
from hostcollector.config.settings import SOCKET_NAME
from tests.serving import NOWHERE

PAGE = "# TYPE libvirt_up gauge\nlibvirt_up 1.0\n"
STATE = {"version": "1.2.3", "pid": 4711, "libvirt_uri": "x", "libvirt_up": True, "healthy": True}


class Daemon(ThreadingUnixStreamServer):
    """What a daemon serves on its own socket."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(str(directory / SOCKET_NAME), _Pages)
        self.pages: dict[str, tuple[int, bytes]] = {
            "/metrics": (200, PAGE.encode()),
            "/diagnose": (200, b"libvirt at x is up\n"),
            "/status.json": (200, json.dumps(STATE).encode()),
        }
        self.asked: list[str] = []


class _Pages(BaseHTTPRequestHandler):
    server: Daemon

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.pages[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the place of the deployed configuration, which does not exist yet."""
    monkeypatch.setattr(commands, "DEPLOYED", tmp_path / "hostcollector.yml")
    return tmp_path / "hostcollector.yml"


def deploy(etc: Path, **more: object) -> None:
    """Write a configuration whose daemon has its socket beside it, and whose libvirt does not answer."""
    paths = {"runtime_directory": str(etc.parent), "state_directory": str(etc.parent / "state")}
    etc.write_text(json.dumps({"paths": paths, "libvirt": {"uri": NOWHERE}, **more}))


@pytest.fixture
def daemon(etc: Path) -> Iterator[Daemon]:
    """Give a daemon that runs with the deployed configuration."""
    deploy(etc)
    with Daemon(etc.parent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_collect_prints_what_a_tenant_sees(daemon: Daemon, capfd: pytest.CaptureFixture[str]) -> None:
    """The daemon makes the page of one tenant; an empty one comes with a hint, and an odd id is refused."""
    path = "/tenants/metrics?tenant="
    daemon.pages |= {f"{path}acme": (200, b"vm_vcpus 2\n"), f"{path}globex": (200, b"")}
    assert main(["collect", "--tenant=acme"]) == 0
    assert capfd.readouterr().out == "vm_vcpus 2\n"
    assert main(["collect", "--tenant=globex"]) == 0
    assert "no VM of tenant globex is on the tenant page" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        main(["collect", "--tenant=a/../b"])


def test_collect_prints_the_running_daemons_page(
    daemon: Daemon, etc: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The page is the daemon's, byte for byte, and standard error says whose it is."""
    assert main(["collect"]) == 0
    out, err = capfdbinary.readouterr()
    assert out == PAGE.encode()
    assert err.decode().splitlines() == [
        f"hostcollector: with {etc}",
        "hostcollector: reading the running daemon 1.2.3, process 4711; --own collects here instead",
    ]


@pytest.mark.parametrize(("healthy", "status"), [(True, 0), (False, 1)])
def test_diagnose_prints_the_running_daemons_report(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], *, healthy: bool, status: int
) -> None:
    """The exit status is the daemon's state; links are compared here."""
    daemon.pages["/status.json"] = (200, json.dumps({**STATE, "healthy": healthy}).encode())
    assert main(["diagnose"]) == status
    out = capsys.readouterr().out
    assert out.startswith("libvirt at x is up\n\nThe collector's reading of network links, ")


def test_top_shows_the_running_daemons_guests(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """No collection is made for the table."""
    assert main(["top", "--once"]) == 0
    assert "/metrics" in daemon.asked
    assert "libvirt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("selector", "status", "out", "err"),
    [
        ("libvirt_up", 0, "libvirt_up 1.0\n", ""),
        ('libvirt_versions_info{libvirt_library="11"}', 1, "", "libvirt_versions_info is not on the page"),
    ],
)
def test_query_prints_the_running_daemons_series(
    daemon: Daemon, selector: str, status: int, out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page comes over the daemon's own socket, where TLS and passwords play no part; none is status 1."""
    assert main(["query", selector]) == status
    found = capsys.readouterr()
    assert found.out == out
    assert err in found.err
    assert "/metrics" in daemon.asked


def test_query_refuses_what_is_no_page(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """A line without an end is a sentence, not a traceback."""
    daemon.pages["/metrics"] = (200, b'libvirt_up{a="b\n')
    assert main(["query", "libvirt_up"]) == 1
    assert "is not a metrics page" in capsys.readouterr().err


def test_query_explains_a_wrong_selector(capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before anything is read, with status 2; the help has examples."""
    with pytest.raises(SystemExit, match="2"):
        main(["query", "libvirt_uq"])
    assert "did you mean libvirt_up" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main(["query", "--help"])
    assert "hostcollector query 'libvirt_domain_info_vstate{tenant=" in capsys.readouterr().out


def test_a_daemon_that_was_taken_over_moves_no_cursor(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it says goes to root's terminal: control characters are shown, not sent."""
    daemon.pages["/diagnose"] = (200, b"\x1b]0;owned\x07 all is well\n")
    state = {**STATE, "version": "\x1b[2J"}
    daemon.pages["/status.json"] = (200, json.dumps(state).encode())
    main(["diagnose"])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert r"\x1b]0;owned\x07 all is well" in out


def daemon_for(*arguments: str) -> RunningDaemon | None:
    """Return the daemon that a command line is answered by, None where it collects itself."""
    options = make_parser().parse_args(arguments)
    return commands.running_daemon(options, commands.settings_by_hand(options))


@pytest.mark.parametrize(
    "flag", ["--own", "--libvirt.uri=qemu:///session", "--no-collector.host", "--collector.host"]
)
@pytest.mark.parametrize("command", ["collect", "diagnose", "top", "query libvirt_up"])
def test_what_the_daemon_would_not_answer_is_collected_here(
    daemon: Daemon, command: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flags that change what is collected, and the flag that asks for it."""
    assert daemon_for(*command.split()) is not None
    assert daemon_for(*command.split(), flag) is None
    assert "collecting here: " in capsys.readouterr().err


def test_another_configuration_is_tried_here(daemon: Daemon, etc: Path, tmp_path: Path) -> None:
    """A configuration that is being tried is not the daemon's: its page would say nothing of it."""
    trial = tmp_path / "trial.yml"
    trial.write_text(f"libvirt: {{uri: '{NOWHERE}'}}")
    assert daemon_for("collect", f"--config.file={trial}") is None
    assert daemon_for("collect", f"--config.file={etc}") is not None


def test_a_configuration_with_a_directory_of_its_own_names_its_daemon(daemon: Daemon, tmp_path: Path) -> None:
    """A second daemon of this machine is read by its own configuration file."""
    second = tmp_path / "second.yml"
    second.write_text(f"paths: {{runtime_directory: {tmp_path}}}")
    assert main(["collect", f"--config.file={second}"]) == 0
    assert "/metrics" in daemon.asked


def test_without_a_daemon_one_collects_with_the_deployed_configuration(
    etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A socket that a killed daemon left behind is none."""
    deploy(etc, sources={"host": False})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(etc.parent / SOCKET_NAME))
    assert main(["collect"]) == 1
    out, err = capsys.readouterr()
    assert err.splitlines()[:2] == [
        f"hostcollector: with {etc}",
        f"hostcollector: collecting here: no daemon listens at {etc.parent}/{SOCKET_NAME}",
    ]
    assert "libvirt_up 0.0" in out
    assert "hostcollector_host_cpus" not in out
    assert not (etc.parent / "state").exists()


def test_a_wrong_deployed_configuration_is_named(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not passed over in silence: the daemon would not start with it either."""
    etc.write_text("libvrit: {}")
    assert main(["collect"]) == 2
    assert "did you mean libvirt?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ({"/status.json": (503, b"the first listing is under way\n")}, "answers 503: the first listing"),
        ({"/status.json": (200, b"<html>")}, "is not a hostcollector"),
        ({"/status.json": (200, b"{}")}, "is not a hostcollector"),
        ({"/status.json": (200, b"[" * 100_000)}, "is not a hostcollector"),
    ],
)
def test_a_daemon_without_an_answer_is_said(
    daemon: Daemon,
    pages: Mapping[str, tuple[int, bytes]],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It runs, so nothing is asked of libvirt beside it; the person may ask for that with --own."""
    daemon.pages |= pages
    assert main(["collect"]) == 1
    err = capsys.readouterr().err
    assert why in err
    assert "--own collects here" in err


def test_a_daemon_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """A connection that is not accepted ends with a sentence."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / SOCKET_NAME))
        listener.listen()
        with pytest.raises(DaemonSilentError, match="does not answer"):
            RunningDaemon(tmp_path / SOCKET_NAME, 0.05).state()


@pytest.mark.parametrize("kind", ["file", "directory", "link to nowhere", "fifo"])
def test_what_is_no_socket_is_no_daemon(tmp_path: Path, kind: str) -> None:
    """Whatever lies in the socket's place, there is no daemon."""
    path = tmp_path / SOCKET_NAME
    if kind == "file":
        path.touch()
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotRunningError):
        RunningDaemon(path, 1.0).state()
