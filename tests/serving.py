"""The daemon as a process of its own, and a client that asks it."""

import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.ports import reserved_port

NOWHERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock-ro"


@dataclass(frozen=True, slots=True)
class ServingDaemon:
    """A daemon that serves, until the end of its context."""

    child: subprocess.Popen[bytes]
    url: str
    log: Path
    trust: ssl.SSLContext | None = None
    """What a client trusts; None for a page without TLS."""

    def get(self, path: str, headers: Mapping[str, str] = {}) -> tuple[int, str]:
        """Return status and text of a page."""
        request = urllib.request.Request(self.url + path, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.trust) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def beside(self, *flags: str) -> int:
        """Start another one while it serves; return its exit status."""
        command = [sys.executable, "-m", "hostcollector", "serve", f"--libvirt.uri={NOWHERE}", *flags]
        return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode

    def end(self) -> int:
        """Ask it to end; return its exit status."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout=30)


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fail with `what` when it does not come true."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextmanager
def running_daemon(
    directory: Path,
    *flags: str,
    uri: str = NOWHERE,
    notify: str = "",
    host: str = "127.0.0.1",
    trust: ssl.SSLContext | None = None,
    program: Sequence[str] = ("-m", "hostcollector"),
) -> Iterator[ServingDaemon]:
    """Start a daemon on a free port with its log in `directory`, wait until it answers, end it at last."""
    log = directory / "log"
    command = [sys.executable, *program, "serve", f"--libvirt.uri={uri}", *flags]
    with reserved_port() as port, log.open("wb") as output:
        child = subprocess.Popen(
            [*command, f"--web.listen-address={host}:{port}"],
            stderr=output,
            env={"PATH": "/usr/bin", "NOTIFY_SOCKET": notify, "WATCHDOG_USEC": "400000"},
        )
        daemon = ServingDaemon(child, f"{'https' if trust else 'http'}://127.0.0.1:{port}", log, trust)

        def answers() -> bool:
            assert child.poll() is None, log.read_text()
            with suppress(urllib.error.URLError, ConnectionError):
                return daemon.get("/-/healthy")[0] == 200
            return False

        try:
            wait(answers, "an answer")
            yield daemon
        finally:
            child.kill()
            child.wait()
