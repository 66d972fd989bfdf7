"""sd_notify on a real datagram socket, and the sockets that systemd hands over."""

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector.base.errors import ListenError
from hostcollector.base.systemd import Notifier, listening_sockets


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Return the socket that systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def notifier(listener: socket.socket, **environment: str) -> Notifier:
    """Return a notifier for that socket whose clock is at 12.345678 s and whose process is 42."""
    name = listener.getsockname()
    address = "@" + name[1:].decode() if isinstance(name, bytes) else name
    return Notifier({"NOTIFY_SOCKET": address, **environment}, clock_ns=lambda: 12_345_678_901, pid=42)


def test_every_state_arrives(systemd: socket.socket) -> None:
    """Each call sends one datagram with the assignments of sd_notify(3)."""
    sender = notifier(systemd, WATCHDOG_USEC="30000000")
    assert sender.ready("serving 5 guests")
    assert sender.status("busy")
    assert sender.reloading()
    assert sender.watchdog()
    assert sender.stopping()
    assert [systemd.recv(4096) for _ in range(5)] == [
        b"READY=1\nSTATUS=serving 5 guests",
        b"STATUS=busy",
        b"RELOADING=1\nMONOTONIC_USEC=12345678",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_abstract_sockets_work() -> None:
    """An address that begins with @ is in the abstract namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0hostcollector-test-{uuid.uuid4()}")
        listener.settimeout(5)
        assert notifier(listener).ready()
        assert listener.recv(4096) == b"READY=1"


def test_a_status_cannot_smuggle_assignments(systemd: socket.socket) -> None:
    """A line break in a status does not become another assignment."""
    notifier(systemd).status("a\nWATCHDOG=trigger")
    assert systemd.recv(4096) == rb"STATUS=a\nWATCHDOG=trigger"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_socket_it_is_silent(environment: dict[str, str]) -> None:
    """Without systemd every call says that nothing was sent, and nothing else happens."""
    sender = Notifier({**environment, "WATCHDOG_USEC": "1000000"})
    calls = (sender.ready, sender.reloading, sender.stopping, sender.watchdog)
    assert [call() for call in calls] == [False] * 4
    assert not sender.status("busy")


def test_a_dead_or_full_socket_does_not_matter(systemd: socket.socket, tmp_path: Path) -> None:
    """No listener, or a listener that does not read, costs neither an exception nor a wait."""
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "unused")}).ready()
    sender = notifier(systemd)
    assert not all(sender.ready() for _ in range(10_000))


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "42"}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 40}, None),
        ({"WATCHDOG_PID": "42"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_on_for_this_process_only(
    systemd: socket.socket, environment: dict[str, str], seconds: float | None
) -> None:
    """WATCHDOG_USEC gives the time in seconds, WATCHDOG_PID whom it is for; malformed ones mean none."""
    sender = notifier(systemd, **environment)
    assert sender.watchdog_seconds == seconds
    assert sender.watchdog() is (seconds is not None)


def handed(count: str = "1", pid: str = "42") -> dict[str, str]:
    """Return the environment of a process to which systemd hands sockets over."""
    return {"LISTEN_PID": pid, "LISTEN_FDS": count, "LISTEN_PIDFDID": "7"}


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_socket_of_systemd_is_taken_over(family: socket.AddressFamily, host: str) -> None:
    """It is the one that systemd listens on, and no child inherits it."""
    with socket.create_server((host, 0), family=family) as unit:
        address, descriptor = unit.getsockname(), os.dup(unit.fileno())
        (taken,) = listening_sockets(handed(), 42, first=descriptor)
        with taken:
            assert taken.getsockname() == address
            assert not taken.get_inheritable()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        handed(pid="41"),
        handed(count="0"),
        handed(count="many"),
        handed(count="-1"),
        handed(count="9" * 30),
    ],
)
def test_no_socket_is_one_sentence(environment: dict[str, str]) -> None:
    """Without a socket for this process the error says which unit is missing."""
    with pytest.raises(ListenError, match=r"cannot listen on systemd's socket: .* hostcollector.socket"):
        listening_sockets(environment, 42)


def test_a_socket_of_another_kind_is_refused() -> None:
    """Only TCP is served: a datagram or unix socket in the unit is a mistake."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as wrong, pytest.raises(ListenError, match="not a TCP one"):
            listening_sockets(handed(), 42, first=os.dup(wrong.fileno()))
