"""Keeps the workers running, replaces them one by one at a reload, and reports to systemd what they do.

The process has no threads and no event loop, so that it can fork at any time. It waits for signals, which are
blocked otherwise: none is missed, and none comes in the middle of something.
"""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from hostcollector.base import log
from hostcollector.base.errors import HostcollectorError
from hostcollector.base.systemd import Notifier
from hostcollector.gateway.configuration import Configuration
from hostcollector.gateway.worker import Worker

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Before a worker that has ended is started again."""

SILENT_SECONDS = 15.0
"""A worker that serves says so each second; one that has not done so for this long is killed and replaced."""

STARTING_SECONDS = 45.0
"""The same for one that has not served yet."""

TICK_SECONDS = 0.5

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})


@dataclass(slots=True, kw_only=True)
class _Child:
    """A worker. `signs` is the pipe in which it says each second that it serves; times are monotonic."""

    pid: int
    signs: int
    configuration: Configuration
    heard_at: float
    serves: bool = field(default=False)
    ending: bool = field(default=False)


class Supervisor:
    """Runs the workers on bound sockets. `load` reads the configuration anew, given the one in use."""

    def __init__(
        self,
        configuration: Configuration,
        load: Callable[[Configuration], Configuration],
        sockets: Sequence[socket.socket],
        notifier: Notifier | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configuration = configuration
        self._fallback: Configuration | None = None
        self._load = load
        self._sockets = sockets
        self._notifier = notifier or Notifier()
        self._clock = clock
        self._children: dict[int, _Child] = {}
        self._start_at: dict[int, float] = {}
        self._stopping = False
        self._status = 0
        self._has_served = False
        self._reloading = False
        self._announced = ""

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, and return the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        while not self._stopping or self._children:
            self._start_missing()
            received = signal.sigtimedwait(_SIGNALS, TICK_SECONDS)
            if received is not None and received.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            if received is not None and received.si_signo == signal.SIGHUP:
                self._reload()
            self._listen()
            self._reap()
            self._replace()
            self._report()
        return self._status

    @property
    def _numbers(self) -> range:
        return range(self._configuration.settings.web.workers)

    def _start_missing(self) -> None:
        for number in self._numbers:
            due = self._start_at.get(number, 0.0) <= self._clock()
            if number not in self._children and due and not self._stopping:
                self._children[number] = self._start(number)

    def _start(self, number: int) -> _Child:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        parent, pid = os.getpid(), os.fork()
        if not pid:
            _work(Worker(self._configuration, self._sockets, number, parent, writing), number)
        os.close(writing)
        return _Child(pid=pid, signs=reading, configuration=self._configuration, heard_at=self._clock())

    def _listen(self) -> None:
        """Note who serves, and kill who is silent."""
        for number, child in self._children.items():
            with suppress(BlockingIOError):
                if os.read(child.signs, 4096):
                    child.heard_at, child.serves = self._clock(), True
            patience = SILENT_SECONDS if child.serves else STARTING_SECONDS
            if self._clock() - child.heard_at > patience:
                logger.error("worker %d has been silent for %g s and is killed", number, patience)
                child.heard_at = self._clock()
                os.kill(child.pid, signal.SIGKILL)

    def _reap(self) -> None:
        for number, child in list(self._children.items()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            os.close(child.signs)
            del self._children[number]
            if not self._stopping and not child.ending:
                self._ended(number, child, os.waitstatus_to_exitcode(status))

    def _ended(self, number: int, child: _Child, status: int) -> None:
        self._start_at[number] = self._clock() + PAUSE_SECONDS
        if child.serves or child.configuration is not self._configuration:
            logger.error("worker %d ended with %d and is started again", number, status)
        elif self._fallback is not None:
            logger.error("the old configuration stays in use: worker %d cannot use the new one", number)
            self._configuration, self._fallback = self._fallback, None
        elif not self._has_served:
            logger.error("worker %d cannot serve", number)
            self._status = 1
            self._stop()
        else:
            logger.error("worker %d ended with %d before it served, and is started again", number, status)

    def _stop(self) -> None:
        if not self._stopping:
            self._notifier.stopping()
        self._stopping = True
        for child in self._children.values():
            child.ending = True
            os.kill(child.pid, signal.SIGTERM)

    def _reload(self) -> None:
        """Put a new configuration in use, or keep the old one where the new one is wrong."""
        self._notifier.reloading()
        self._reloading = True
        try:
            configuration = self._load(self._configuration)
        except HostcollectorError as error:
            logger.error("the old configuration stays in use: %s", error)
            return
        before, after = self._configuration.settings, configuration.settings
        if before.web.listen_address != after.web.listen_address:
            logger.warning("web.listen_address changed: it takes effect at the next start")
        log.configure(after.log.level, after.log.format)
        self._fallback, self._configuration = self._configuration, configuration
        logger.info("configuration reloaded: the workers are replaced one by one")

    def _replace(self) -> None:
        """Let the next worker of an earlier configuration finish, if all others serve."""
        if self._stopping or not all(child.serves and not child.ending for child in self._children.values()):
            return
        if any(number not in self._children for number in self._numbers):
            return
        for number, child in self._children.items():
            if child.configuration is not self._configuration or number not in self._numbers:
                child.ending = True
                os.kill(child.pid, signal.SIGTERM)
                return
        self._fallback = None

    def _report(self) -> None:
        """Report to systemd when all workers serve, and to its watchdog that one does."""
        serving = [child for child in self._children.values() if child.serves and not child.ending]
        if serving:
            self._notifier.watchdog()
        if self._stopping:
            return
        text = f"{len(serving)} of {len(self._numbers)} workers serve"
        done = len(serving) == len(self._children) == len(self._numbers)
        if done and all(child.configuration is self._configuration for child in serving):
            if self._reloading or text != self._announced:
                self._notifier.ready(text)
                logger.info("%s", text)
            self._has_served, self._reloading, self._announced = True, False, text
        elif self._has_served and text != self._announced:
            self._notifier.status(text)
            self._announced = text


def _work(worker: Worker, number: int) -> NoReturn:
    """Run a worker in its process, and end that."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # for the program, also where a terminal sends it to all
    try:
        asyncio.run(worker.run())
    except HostcollectorError as error:
        logger.error("worker %d: %s", number, error)
        os._exit(1)
    except BaseException:
        logger.exception("worker %d", number)
        os._exit(1)
    os._exit(0)
