"""A libvirtd that is stopped, killed, slow or full costs what only it knows; the guests' own series go on."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.matrix.harm import LIBVIRT, NO_HARM, Harm
from tests.lab.matrix.proxy import Proxy, proxied
from tests.lab.matrix.reading import shows
from tests.lab.matrix.row import ROUNDS, Begin
from tests.lab.matrix.scene import Scene
from tests.lab.matrix.watched import Watched, watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

OUTAGE = Harm(everywhere=LIBVIRT)
UP = "libvirt_up"
RESTART_SECONDS = 10.0
MOST_CLIENTS = 8
LIMITS = f"max_clients = {MOST_CLIENTS}\nmax_anonymous_clients = {MOST_CLIENTS}\n"


@pytest.fixture
def short_path(on_stage: Scene) -> Path:
    """Give a directory whose sockets have paths that fit into 107 bytes."""
    return on_stage.hypervisor.directory


def _uri(path: Path) -> str:
    return f"qemu+unix:///system?socket={path}"


@pytest.fixture
def through_proxy(on_stage: Scene, short_path: Path, tmp_path: Path) -> Iterator[tuple[Proxy, Watched]]:
    """Give a collector that reaches libvirtd by a proxy."""
    path = short_path / "proxy"
    with (
        proxied(path, on_stage.hypervisor.runtime / "libvirt-sock-ro") as proxy,
        watched(_uri(path), tmp_path, on_stage.guests) as seen,
    ):
        yield proxy, seen


def test_libvirtd_is_stopped(on_stage: Scene, begin: Begin) -> None:
    """Its socket takes connections and nothing is answered: the page says so within its budget."""
    with begin("libvirtd stopped", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(OUTAGE):
                on_stage.hypervisor.stop()
                try:
                    row.see(shows(UP, 0), "libvirt is down")
                    row.keep_scraping(3)
                finally:
                    on_stage.hypervisor.cont()


def test_libvirtd_is_killed(on_stage: Scene, begin: Begin) -> None:
    """The page says so, and all is back after its next start."""
    with begin("libvirtd killed", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(OUTAGE):
                on_stage.hypervisor.kill()
                row.see(shows(UP, 0), "libvirt is down")
                row.keep_scraping(3)
                on_stage.hypervisor.restart()


@pytest.mark.full
def test_libvirtd_is_restarted_again_and_again(on_stage: Scene, begin: Begin) -> None:
    """A daemon that comes back every ten seconds is followed each time."""
    with begin("libvirtd restarted every 10 s", on_stage.watched) as row:
        for _ in row.each_round(2 * ROUNDS):
            due = time.monotonic() + RESTART_SECONDS
            with row.fault(OUTAGE):
                on_stage.hypervisor.restart()
            row.keep_scraping()
            time.sleep(max(0.0, due - time.monotonic()))


def test_the_socket_is_removed(through_proxy: tuple[Proxy, Watched], begin: Begin) -> None:
    """Without the socket and its connections libvirt is down; the new socket is found."""
    proxy, seen = through_proxy
    with begin("socket removed", seen) as row:
        for _ in row.each_round():
            with row.fault(OUTAGE):
                proxy.disappear()
                row.see(shows(UP, 0), "libvirt is down")
                row.keep_scraping(3)
                proxy.appear()


@pytest.mark.full
def test_libvirtd_is_slow(through_proxy: tuple[Proxy, Watched], begin: Begin) -> None:
    """Replies that take their time make a page late, but not later than its budget."""
    proxy, seen = through_proxy
    with begin("libvirtd slow", seen) as row:
        for number in row.each_round():
            with row.fault(OUTAGE):
                proxy.delay = (0.05, 0.3, 1.0)[number % 3]
                row.keep_scraping(5)
                proxy.delay = 0.0


@pytest.mark.full
def test_the_limit_of_connections_is_reached(on_stage: Scene, begin: Begin) -> None:
    """A daemon that takes no more clients is like one that does not answer, until there is room."""
    path = on_stage.hypervisor.runtime / "libvirt-sock-ro"
    usual = on_stage.hypervisor.configuration
    configuration = on_stage.hypervisor.directory / "etc/libvirt/libvirtd.conf"
    with begin("connection limit reached", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(OUTAGE):
                configuration.write_text(f"{usual}{LIMITS}")
                on_stage.hypervisor.kill()
                on_stage.hypervisor.restart()
                with ExitStack() as others:
                    for _ in range(MOST_CLIENTS):
                        others.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
                    row.keep_scraping(5)
                configuration.write_text(usual)
                on_stage.hypervisor.restart()


def test_the_socket_of_a_modular_daemon(
    on_stage: Scene, short_path: Path, tmp_path: Path, begin: Begin
) -> None:
    """The collector works on virtqemud's socket, and follows the daemon that is restarted behind it."""
    path = short_path / "virtqemud-sock-ro"
    path.symlink_to(on_stage.hypervisor.runtime / "libvirt-sock-ro")
    with (
        watched(_uri(path), tmp_path, on_stage.guests) as seen,
        begin("virtqemud's socket, by a link", seen) as row,
    ):
        for _ in row.each_round():
            with row.fault(OUTAGE):
                on_stage.hypervisor.restart()
            with row.fault(NO_HARM):
                row.keep_scraping(3)
    path.unlink()
