"""The daemon's own socket: what it serves, to whom, and how it comes and goes."""

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from hostcollector.app.site import View
from hostcollector.config.settings import SOCKET_NAME
from hostcollector.web.local import LocalServer, _is_allowed
from tests.fakes.collector import FakeCollector
from tests.fakes.pages import full_page
from tests.fakes.site import ended, serving, site_of
from tests.serving import running_daemon, wait
from tests.unit.web.conftest import web_config
from tests.unit.web.test_passwords import HASHES


@asynccontextmanager
async def local(directory: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve a full page on a socket in the directory; gives a client."""
    site = site_of(FakeCollector(full_page()))
    server = LocalServer(replace(site, views={"/own": View("text/plain", lambda _: b"own")}), str(directory))
    await server.start()
    connector = aiohttp.UnixConnector(str(directory / SOCKET_NAME))
    try:
        async with aiohttp.ClientSession("http://localhost", connector=connector) as client:
            yield client
    finally:
        await server.close()


async def test_it_serves_pages_and_views_without_a_question(tmp_path: Path) -> None:
    """The socket is its owner's alone; metrics and the views are there; afterwards it is gone."""
    async with local(tmp_path) as client:
        status = await asyncio.to_thread((tmp_path / SOCKET_NAME).stat)
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert (await client.get("/metrics")).status == 200
        assert await (await client.get("/own")).text() == "own"
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    """A daemon that was killed cannot take its socket away; the next one does."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / SOCKET_NAME))
    async with local(tmp_path) as client:
        assert (await client.get("/-/healthy")).status == 200


async def test_the_socket_of_a_daemon_that_runs_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A second daemon says so and serves without one; its end does not take the first one's away."""
    async with local(tmp_path) as first:
        second = LocalServer(site_of(FakeCollector(None)), str(tmp_path))
        await second.start()
        await second.close()
        assert (await first.get("/metrics")).status == 200
    assert "another daemon serves it" in caplog.text


def _file(path: Path) -> None:
    path.write_text("precious")


def _link(path: Path) -> None:
    _file(path.with_name("target"))
    path.symlink_to(path.with_name("target"))


@pytest.mark.parametrize("make", [_file, _link, Path.mkdir])
async def test_nothing_else_is_taken_away(
    make: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What lies in the socket's place and is none stays, and the log says why there is no socket."""
    path = tmp_path / SOCKET_NAME
    await asyncio.to_thread(make, path)
    server = LocalServer(site_of(FakeCollector(None)), str(tmp_path))
    await server.start()
    await server.close()
    assert await asyncio.to_thread(path.is_dir if make is Path.mkdir else path.read_text) in (
        True,
        "precious",
    )
    assert "no socket for commands by hand" in caplog.text


@pytest.mark.parametrize("directory", ["", "/nonexistent/hostcollector"])
async def test_without_a_directory_there_is_no_socket(
    directory: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty setting switches it off; a missing directory is not made, and is no trouble."""
    server = LocalServer(site_of(FakeCollector(None)), directory)
    await server.start()
    await server.close()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_only_root_and_the_daemons_account_are_admitted() -> None:
    """Another account that got at the socket all the same is not served."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")
        listener.listen()
        for user, admitted in ((0, True), (65534, False)):
            child = os.fork()
            if child == 0:
                os.setuid(user)
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(listener.getsockname())
                    client.recv(1)
                os._exit(0)
            accepted, _ = listener.accept()
            with accepted:
                assert _is_allowed(accepted) is admitted
            os.waitpid(child, 0)


async def test_a_peer_that_is_not_admitted_gets_nothing() -> None:
    """The connection is closed before a byte is read."""
    async with serving(full_page(), admits=lambda _: False) as site:
        reader, writer = await site.connect()
        assert await ended(reader)
        writer.close()
    assert site.collector.budgets == []


def test_a_daemon_behind_passwords_is_read_through_it(tmp_path: Path) -> None:
    """The running daemon answers a command by hand: metrics, the text of `diagnose`, and how it is."""
    run = tmp_path / "run"
    run.mkdir()
    config = tmp_path / "config.yml"
    config.write_text(f"paths: {{runtime_directory: {run}, state_directory: {tmp_path}}}\n")
    file = web_config(tmp_path, basic_auth_users=HASHES)
    with running_daemon(tmp_path, f"--config.file={config}", f"--web.config.file={file}") as daemon:
        wait((run / SOCKET_NAME).exists, "the socket")
        assert daemon.get("/metrics")[0] == 401
        assert "libvirt_up 0.0\n" in _get(run, "/metrics")
        assert "does not answer" in _get(run, "/diagnose")
        state = json.loads(_get(run, "/status.json"))
        assert (state["pid"], state["healthy"], state["libvirt_up"]) == (daemon.child.pid, False, False)
        assert daemon.get("/diagnose")[0] == 401
        assert daemon.end() == 0
    assert not (run / SOCKET_NAME).exists()


def _get(directory: Path, path: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(directory / SOCKET_NAME))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    return answer.partition(b"\r\n\r\n")[2].decode()
