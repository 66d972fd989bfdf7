"""The collector takes this host's libvirt, whatever its name and namespaces, and refuses another host's."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.protocols.libvirt.connection import Link
from tests.lab.hypervisor import PrivateHypervisor

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

# About a quarter of an hour of one CPU, in clock ticks.
ELSEWHERE = 90_000


@contextmanager
def _forwarded(target: Path, path: Path) -> Iterator[str]:
    """Forward a socket as ``ssh -L`` does; gives the URI of what is behind it."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(target))
        with near, far:
            answers = threading.Thread(target=copy, args=(far, near), daemon=True)
            answers.start()
            copy(near, far)
            answers.join()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        forwarder = threading.Thread(target=accept, daemon=True)
        forwarder.start()
        yield f"qemu+unix:///system?socket={path}"


def _kernel_of_another_host(hypervisor: PrivateHypervisor) -> None:
    """Let libvirtd read the /proc/stat of a host whose processors have worked for longer."""
    times, rest = Path("/proc/stat").read_text().split("\n", 1)
    name, user, others = times.split(maxsplit=2)
    other = hypervisor.directory / "stat"
    other.write_text(f"{name}  {int(user) + ELSEWHERE} {others}\n{rest}")
    namespace = ["nsenter", f"--target={hypervisor.pid}", "--mount"]
    subprocess.run([*namespace, "mount", "--bind", str(other), "/proc/stat"], check=True)


def test_only_this_hosts_libvirt_is_taken(own_hypervisor: PrivateHypervisor, tmp_path: Path) -> None:
    """The same libvirtd, with a host name, a UUID and mounts of its own, before and after it is elsewhere."""
    uri = own_hypervisor.uri_readonly
    plain = Link(uri)
    plain.open_read_only().close()
    with ExitStack() as forwarding:
        target = own_hypervisor.runtime / "libvirt-sock-ro"
        near = forwarding.enter_context(_forwarded(target, tmp_path / "near"))
        Link(near).open_read_only().close()
        _kernel_of_another_host(own_hypervisor)
        far = forwarding.enter_context(_forwarded(target, tmp_path / "far"))
        for elsewhere in (far, uri):
            with pytest.raises(SourceUnavailableError, match="another host"):
                Link(elsewhere).open_read_only()
    assert plain.connects == 1
