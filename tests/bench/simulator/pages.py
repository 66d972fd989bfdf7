"""The pages of the fleet over HTTP, from one thread: /JOB/HOST, for each job that a Prometheus scrapes."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web

Page = Callable[[float], str | None]
"""The text at a time, or None of a host that does not answer."""


@contextmanager
def served(pages: Mapping[str, Page], port: int) -> Iterator[None]:
    """Serve the pages by their paths for the block."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(_application(pages), access_log=None)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    thread = threading.Thread(target=loop.run_forever, name="pages", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        yield
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _application(pages: Mapping[str, Page]) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        text = pages[request.path](time.time())
        if text is None:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    application = web.Application()
    application.router.add_get("/{job}/{host}", answer)
    return application
