"""The program: it listens, and keeps its workers running. Workers are forks that share the sockets."""

import asyncio
import errno
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence

from hostcollector.base.errors import AddressInUseError, HostcollectorError, ListenError
from hostcollector.config.address import Address
from hostcollector.gateway.accounts.database import check_schema, connect
from hostcollector.gateway.promql.self_test import check_library
from hostcollector.gateway.settings import GatewaySettings
from hostcollector.gateway.worker import Worker

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Before a worker that has ended is started again."""


def serve(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status.

    Raises `HostcollectorError` where nothing can be served: the address, the accounts, the library.
    """
    check_library()
    engine = connect(settings.accounts)
    check_schema(engine)
    engine.dispose()  # a fork must not share a connection
    sockets = _listeners(settings.web.listen_address)
    logger.info(
        "listening on %s", ", ".join(f"{one.getsockname()[0]}:{one.getsockname()[1]}" for one in sockets)
    )
    return _Workers(settings, sockets).run()


class _Workers:
    """The worker processes. Has no threads and no event loop, so that it can fork at any time."""

    def __init__(self, settings: GatewaySettings, sockets: Sequence[socket.socket]) -> None:
        self._settings = settings
        self._sockets = sockets
        self._numbers: dict[int, int] = {}
        self._stopping = False

    def run(self) -> int:
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._stop)
        for number in range(self._settings.web.workers):
            self._start(number)
        while self._numbers:
            pid, status = os.wait()
            number = self._numbers.pop(pid)
            if self._stopping:
                continue
            logger.error(
                "worker %d ended with %d and is started again", number, os.waitstatus_to_exitcode(status)
            )
            time.sleep(PAUSE_SECONDS)
            if not self._stopping:
                self._start(number)
        return 0

    def _start(self, number: int) -> None:
        parent, pid = os.getpid(), os.fork()
        if pid:
            self._numbers[pid] = number
            return
        try:
            asyncio.run(Worker(self._settings, self._sockets, number, parent).run())
        except HostcollectorError as error:
            logger.error("worker %d: %s", number, error)
            os._exit(1)
        except BaseException:
            logger.exception("worker %d", number)
            os._exit(1)
        os._exit(0)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in self._numbers:
            os.kill(pid, signal.SIGTERM)


def _listeners(address: Address) -> list[socket.socket]:
    """Return bound sockets. Raises `ListenError`."""
    try:
        found = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets = []
        for family, _, _, _, where in found:
            one = socket.socket(family, socket.SOCK_STREAM)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(where)
            sockets.append(one)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(str(address)) from error
        raise ListenError(str(address), error.strerror or str(error)) from error
    return sockets
