"""Keeps a replica of a database in the background; readers never wait for it.

A replica is shown only while the server gives signs of life. One that is older than the limit, or belongs to
a connection that has ended, is never shown again.
"""

import ssl
import time
from collections.abc import Callable, Sequence
from itertools import cycle

from hostcollector.base.errors import (
    SourceDeniedError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
)
from hostcollector.base.lanes import Clock
from hostcollector.config.address import Remote
from hostcollector.protocols.follower import Follower, Pauses
from hostcollector.protocols.ovsdb.connection import ResolvedRemote, TlsFiles, connect, explained, prepare
from hostcollector.protocols.ovsdb.replica import Replica
from hostcollector.protocols.ovsdb.session import Session, Watch

PAUSES = Pauses(first=0.5, longest=15.0, jitter=(0.5, 1.0))
# A reader right after the start waits this long for the first answer, once: a single collection has no other.
START_GRACE_SECONDS = 1.0


class OvsdbClient(Follower[ResolvedRemote]):
    """A replica that is kept. `on_change` is called in the client's thread with each new one.

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
        super().__init__(name, PAUSES, clock)
        self._remotes = cycle(remotes)
        self._remote = remotes[0]
        self._watch = watch
        self._maximum_age = maximum_age
        self._tls = tls
        self._on_change = on_change
        self._session: Session | None = None
        self._replica: Replica | None = None
        self._heard_at = 0.0
        self._failure: tuple[type[SourceError], str] = (SourceUnavailableError, "no answer yet")

    def reconsider(self) -> None:
        """Evaluate the watch's conditions again, because something else that they depend on has changed."""
        self._in_loop(lambda: self._session.reconsider() if self._session else None)

    @property
    def age(self) -> float:
        """Seconds since the server's last sign of life."""
        return self._clock() - self._heard_at

    def settle_at_start(self) -> None:
        """Wait for the first answer or failure, but only right after the start."""
        self.settle(max(0.0, self._started_at + START_GRACE_SECONDS - self._clock()))

    def replica(self) -> Replica:
        """Return the replica as it is now. Raises `SourceError` with the reason while there is none."""
        self.settle_at_start()
        replica, age = self._replica, self.age
        if (ended_by := self._ended_by) is not None:
            raise SourceError(f"the thread has ended: {ended_by!r}")
        if replica is None:
            kind, text = self._failure
            raise kind(text)
        if age > self._maximum_age:
            raise SourceTimeoutError(f"the server has not said anything for {age:.0f} s")
        return replica

    def _prepare(self) -> ResolvedRemote:
        self._remote = next(self._remotes)
        return prepare(self._remote, self._tls)

    def _succeeded(self) -> float:
        return 0.0  # a conversation ends only with an error

    def _failed(self, error: BaseException) -> float:
        if isinstance(error, OSError):
            error = explained(self._remote, error)
        if not isinstance(error, SourceError):
            raise error
        self._failure = type(error), f"{self._remote}: {error}"
        if self._replica is not None:
            self._backoff.succeeded()  # the server has answered in between
        self._replica = None
        return 0.0

    async def _converse(self, target: ResolvedRemote) -> None:
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
            # With TLS 1.3 a refused client certificate shows only now, or not at all.
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
