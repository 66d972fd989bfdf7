"""The daemon as a process, with TLS, users and sockets of systemd."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostcollector import __version__
from hostcollector.app.cli import main
from tests.serving import NOWHERE, running_daemon, wait
from tests.unit.web.conftest import Pki, web_config
from tests.unit.web.test_admission import basic
from tests.unit.web.test_passwords import hashed


def test_the_access_rules_change_on_reload(tls: dict[str, Any], pki: Pki, tmp_path: Path) -> None:
    """SIGHUP puts new users in use; a wrong web-config is named in the log and the old one stays."""
    old, new = {"prometheus": hashed(b"old")}, {"prometheus": hashed(b"new")}
    file = web_config(tmp_path, tls_server_config=tls, basic_auth_users=old)
    with running_daemon(tmp_path, f"--web.config.file={file}", trust=pki.client_context()) as daemon:
        assert daemon.get("/metrics")[0] == 401
        assert daemon.get("/metrics", basic("prometheus", "old"))[0] == 200
        web_config(tmp_path, tls_server_config=tls, basic_auth_users=new)
        daemon.child.send_signal(signal.SIGHUP)
        wait(lambda: daemon.get("/metrics", basic("prometheus", "new"))[0] == 200, "the new password")
        assert daemon.get("/metrics", basic("prometheus", "old"))[0] == 401
        file.write_text("basic_auth_users: {prometheus: secret}")
        daemon.child.send_signal(signal.SIGHUP)
        wait(lambda: "stays in use" in daemon.log.read_text(), "the complaint")
        assert daemon.get("/metrics", basic("prometheus", "new"))[0] == 200
        assert daemon.end() == 0
    assert "secret" not in daemon.log.read_text()


def test_an_open_page_is_warned_about_at_each_start(tmp_path: Path) -> None:
    """Another address than the loopback one without TLS and authentication is a line in the log."""
    for _ in range(2):
        with running_daemon(tmp_path, host="0.0.0.0") as daemon:
            assert daemon.end() == 0
        assert daemon.log.read_text().count('level=warn msg="every client that reaches 0.0.0.0:') == 1
    with running_daemon(tmp_path) as daemon:
        assert daemon.end() == 0
    assert "every client that reaches" not in daemon.log.read_text()


def test_a_key_for_everybody_keeps_the_daemon_from_starting(tls: dict[str, Any], tmp_path: Path) -> None:
    """The end is status 2, after which systemd does not try again, with the file and the fix."""
    (tmp_path / "tls.key").chmod(0o644)
    file = web_config(tmp_path, tls_server_config=tls)
    command = [sys.executable, "-m", "hostcollector", "serve", f"--web.config.file={file}"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 2
    assert f"{tmp_path}/tls.key can be read or written by every account (mode 0644)" in refused.stderr
    assert "Traceback" not in refused.stderr


# Becomes what systemd starts: the socket is descriptor 3, and the variables name this very process.
ACTIVATED = """
import json, os, sys
os.dup2(int(sys.argv[1]), 3)
variables = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execve(sys.executable, [sys.executable, *json.loads(sys.argv[2])], {**os.environ, **variables})
"""


def test_the_socket_of_systemd_is_served(tmp_path: Path) -> None:
    """A client that connected before the start is served, on the unit's address, and the end is clean."""
    arguments = ["-m", "hostcollector", "serve", "--web.systemd-socket", f"--libvirt.uri={NOWHERE}"]
    with socket.create_server(("127.0.0.1", 0)) as unit, (tmp_path / "log").open("wb") as log:
        early = socket.create_connection(unit.getsockname(), timeout=20)
        command = [sys.executable, "-c", ACTIVATED, str(unit.fileno()), json.dumps(arguments)]
        child = subprocess.Popen(command, pass_fds=[unit.fileno()], stderr=log)
        try:
            with early:
                early.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert early.recv(65536).startswith(b"HTTP/1.1 200 OK")
            child.terminate()
            assert child.wait(timeout=10) == 0
        finally:
            child.kill()
            child.wait()


def test_a_missing_socket_is_one_sentence() -> None:
    """The flag without the socket unit is an error that names the unit."""
    command = [sys.executable, "-m", "hostcollector", "serve", "--web.systemd-socket"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 1
    assert "hostcollector.socket" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_commands_by_hand_read_a_daemon_behind_tls_and_passwords(
    tls: dict[str, Any], tmp_path: Path, pki: Pki, capfd: pytest.CaptureFixture[str]
) -> None:
    """Over its own socket, whatever its page asks for; the collection is the daemon's."""
    web = web_config(tmp_path, tls_server_config=tls, basic_auth_users={"prometheus": hashed(b"x")})
    file = tmp_path / "config.yml"
    file.write_text(f"paths: {{runtime_directory: {tmp_path}}}\nsources: {{cgroup: false}}\n")
    flags = (f"--config.file={file}", f"--web.config.file={web}")
    with running_daemon(tmp_path, *flags, trust=pki.client_context()) as daemon:
        assert main(["collect", f"--config.file={file}"]) == 1  # libvirt is nowhere
        out, err = capfd.readouterr()
        assert f"reading the running daemon {__version__}, process {daemon.child.pid}" in err
        assert 'hostcollector_source_up{source="host"} 1.0' in out
        assert 'hostcollector_source_up{source="cgroup"}' not in out
        assert main(["diagnose", f"--config.file={file}"]) == 1
        assert capfd.readouterr().out.startswith(f"libvirt at {NOWHERE} does not answer")
