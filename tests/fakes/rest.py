"""A JSON service on the loopback, over TLS, that can be made to misbehave; a thread of the test."""

import asyncio
import ssl
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

USER = "reader"
PASSWORD = "correct-horse-battery"
BASIC = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


def keep_password(path: Path, text: str = PASSWORD) -> None:
    """Write a file with a password that no other account may read."""
    path.touch(0o600)
    path.write_text(text)


class FakeService:
    """Serves its documents to one account until the context ends. `misbehave` changes what a path answers."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._serving = threading.Event()
        self._stop = asyncio.Event()
        self.port = 0
        self.requests: Counter[str] = Counter()
        """How often each path was asked."""
        self.misbehave: dict[str, Answer] = {}
        """What a path does instead of answering."""
        self.documents: dict[str, Any] = {}
        """What each path answers."""

    @property
    def url(self) -> str:
        """Where it listens, by name."""
        return f"https://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._serving.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def answers(
        self, path: str, status: int, headers: Mapping[str, str] | None = None, text: str = ""
    ) -> None:
        """Let a path answer with a status."""

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers=headers, text=text)

        self.misbehave[path] = answer

    def hangs(self, path: str) -> None:
        """Let a path never answer."""

        async def answer(_: web.Request) -> web.StreamResponse:
            await self._stop.wait()
            return web.Response()

        self.misbehave[path] = answer

    def drips(self, path: str, chunk: bytes, pause: float) -> None:
        """Let a path answer without an end, so much at a time."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            with suppress(ConnectionError):  # enough for the client
                while not self._stop.is_set():
                    await response.write(chunk)
                    await asyncio.sleep(pause)
            return response

        self.misbehave[path] = answer

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer as a service that is well."""
        if request.headers.get("Authorization") != BASIC:
            return web.Response(status=401, text="who are you?")
        document = self.documents.get(request.path)
        return web.Response(status=404) if document is None else web.json_response(document)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.port = runner.addresses[0][1]
        self._serving.set()
        await self._stop.wait()
        assert runner.server is not None
        for connection in runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()  # not closed: that waits for what the client says to it
        await runner.cleanup()
        await self._emptied()

    async def _emptied(self) -> None:
        """Wait until nothing is open: what a loop leaves behind fails some other test much later."""
        selector = self._loop._selector  # type: ignore[attr-defined] # the loop itself has no face for it
        while len(selector.get_map()) > 1:  # noqa: ASYNC110 - there is no event for it; 1 is the loop's own
            await asyncio.sleep(0.001)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        try:
            return await self.misbehave.get(request.path, self.respond)(request)
        except ConnectionError:  # the client has gone, which is no error here
            return web.Response()
