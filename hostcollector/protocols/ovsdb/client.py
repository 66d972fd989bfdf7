"""Keeps a replica of a database in a daemon thread with an event loop of its own; readers never wait for it.

A replica is there only while the server gives signs of life: what is older than the limit, or belongs to a
connection that has ended, is never shown again.
"""

import asyncio
import random
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import cycle

from hostcollector.base.errors import (
    SourceDeniedError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.base.lanes import Backoff, Clock, Lane
from hostcollector.config.remote import Remote
from hostcollector.protocols.ovsdb.connection import Target, TlsFiles, connect, explained, prepare
from hostcollector.protocols.ovsdb.replica import Replica
from hostcollector.protocols.ovsdb.session import Session, Watch

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
# A reader right after the start waits so long for the first answer, once: a collection by hand has no other.
START_GRACE_SECONDS = 1.0


class Client:
    """A replica that is kept. `on_change` is called in the client's thread when there is a new one.

    `remotes` are tried in turn. Nothing is opened before `start`.
    """

    def __init__(
        self,
        name: str,
        remotes: Sequence[Remote],
        watch: Watch,
        *,
        maximum_age: float,
        tls: TlsFiles | None = None,
        on_change: Callable[[Replica], None] = lambda _replica: None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._lane = Lane(name, clock)
        self._remotes = cycle(remotes)
        self._watch = watch
        self._maximum_age = maximum_age
        self._tls = tls
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._started_at = 0.0
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._replica: Replica | None = None
        self._heard_at = 0.0
        self._failure: tuple[type[SourceError], str] = (SourceUnavailableError, "no answer yet")

    def start(self) -> None:
        """Begin to keep the replica; a second call does nothing."""
        with self._lock:
            if self._flight is None and not self._stop.is_set():
                self._started_at = self._clock()
                self._flight = self._lane.submit(self._keep)

    def close(self) -> None:
        """End the connection and the thread; does not wait for them. May be called twice."""
        self._stop.set()
        self._settled.set()
        self._in_loop(lambda task, _: task.cancel())
        self._lane.close()

    def reconsider(self) -> None:
        """Evaluate the watch's conditions anew, because something else that they depend on has changed."""
        self._in_loop(lambda _, session: session.reconsider() if session else None)

    @property
    def age(self) -> float:
        """Seconds since the server's last sign of life."""
        return self._clock() - self._heard_at

    def settle(self) -> None:
        """Wait for the first answer or failure, but only right after the start."""
        self._settled.wait(max(0.0, self._started_at + START_GRACE_SECONDS - self._clock()))

    def replica(self) -> Replica:
        """Return the replica as it is now. Raises `SourceError` with the reason while there is none."""
        self.settle()
        replica, age = self._replica, self.age
        if self._flight is not None and self._flight.done() and not self._stop.is_set():
            raise SourceError(f"the thread has ended: {self._flight.exception()!r}")
        if replica is None:
            kind, text = self._failure
            raise kind(text)
        if age > self._maximum_age:
            raise SourceTimeoutError(f"the server has not said anything for {age:.0f} s")
        return replica

    def _keep(self) -> None:
        """Connect again and again until `close`."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, self._clock)
        while not self._stop.is_set():
            remote = next(self._remotes)
            try:
                asyncio.run(self._follow(prepare(remote, self._tls)))
            except asyncio.CancelledError:
                return
            except SourceError as error:
                self._failure = type(error), f"{remote}: {error}"
            except OSError as error:
                known = explained(remote, error)
                self._failure = type(known), f"{remote}: {known}"
            if self._replica is not None:
                backoff.succeeded()  # there was an answer in between
            self._replica = None
            self._settled.set()
            backoff.failed()
            # Not all hypervisors of a cloud at the same moment.
            self._stop.wait(backoff.pause * random.uniform(0.5, 1.0))  # noqa: S311 - nothing secret

    async def _follow(self, target: Target) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stop.is_set():
            return
        streams = await connect(target)
        connected_at = self._heard_at = self._clock()
        try:
            self._session = Session(
                self._watch,
                streams,
                silence=self._maximum_age,
                clock=self._clock,
                publish=self._publish,
                heard=self._hear,
            )
            await self._session.run()
        except (OSError, SourceUnavailableError) as error:
            if target.context is None or self._heard_at > connected_at or isinstance(error, ssl.SSLError):
                raise
            # With TLS 1.3 a client learns only now that its certificate is not taken, or not even that.
            raise SourceDeniedError(
                "TLS failed: the server closed the connection at once; it may not take our certificate"
            ) from error
        finally:
            self._session = None
            streams[1].close()
            streams[1].transport.abort()

    def _publish(self, replica: Replica) -> None:
        self._replica = replica
        self._on_change(replica)
        self._settled.set()

    def _hear(self) -> None:
        self._heard_at = self._clock()

    def _in_loop(self, call: Callable[[asyncio.Task[None], Session | None], object]) -> None:
        loop, task = self._loop, self._task
        if loop is None or task is None:
            return
        with suppress(RuntimeError):  # the loop has ended between the connections
            loop.call_soon_threadsafe(lambda: call(task, self._session))
