"""Processes of our own: started, distinguished from others, ended, waited for."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process, by its number and its start time, so that a later owner of the number is never meant."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Return the process that has this number now; ProcessLookupError when there is none."""
        _, started = _state_and_start(pid)
        return cls(pid, started)

    def alive(self) -> bool:
        """Tell whether it still runs; a zombie does not."""
        try:
            state, started = _state_and_start(self.pid)
        except ProcessLookupError:
            return False
        return started == self.started and state not in "ZX"

    def state(self) -> str:
        """Return the kernel's letter for what it does: R, S, D, T (stopped), Z, ..."""
        return _state_and_start(self.pid)[0]

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it ended between the two lines

    def end(self, grace: float = 5.0) -> None:
        """Ask it to end, insist after the grace period, and return when it is gone."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        try:
            until(lambda: not self.alive(), grace, f"the end of process {self.pid}")
        except TimeoutError:
            self.send(signal.SIGKILL)
            until(lambda: not self.alive(), 10.0, f"the end of killed process {self.pid}")


def spawn(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a Ctrl-C in the terminal is ours to pass on."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )


def end(child: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """End a child of ours, stopped or not, and collect it."""
    if child.poll() is None:
        Process.of(child.pid).end(grace)
    child.wait()


def until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Wait for a condition; TimeoutError, naming it, when it does not come true in time.

    The time is that of an idle machine: it grows with the load.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout * slowness():
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.02)


def eventually(condition: Callable[[], bool], timeout: float, what: str) -> bool:
    """Return True as soon as the condition is true, for an `assert`; TimeoutError as `until` raises it."""
    until(condition, timeout, what)
    return True


def slowness() -> float:
    """Return how many times as long as on an idle machine a test may take now: from 1 to 8."""
    return min(8.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def _state_and_start(pid: int) -> tuple[str, int]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    fields = stat.rpartition(b")")[2].split()  # the name before it may hold spaces and parentheses
    return fields[0].decode(), int(fields[19])
