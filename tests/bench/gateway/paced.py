"""A client that sends requests at a steady pace, whatever the answers take: what another tenant notices."""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True)
class Times:
    """Times of answers in milliseconds, and how many requests had no good one."""

    median: float
    slowest: float
    count: int
    failed: int


async def paced(url: str, token: str, *, rate: float, seconds: float) -> Times:
    """Send `rate` requests a second for a while; `slowest` is the p99."""
    times: list[float] = []
    failed = 0

    async def one(session: aiohttp.ClientSession, begins: float) -> None:
        nonlocal failed
        await asyncio.sleep(begins - time.perf_counter())
        try:
            async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
                await answer.read()
                failed += answer.status != 200
        except aiohttp.ClientError:
            failed += 1
        times.append((time.perf_counter() - begins) * 1000)

    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        await asyncio.gather(*(one(session, began + n / rate) for n in range(int(rate * seconds))))
    return Times(statistics.median(times), statistics.quantiles(times, n=100)[98], len(times), failed)


def beside(
    client: Callable[[], Coroutine[Any, Any, Times]],
    load: Callable[[], Coroutine[Any, Any, object]] | None = None,
) -> Times:
    """Return what the client measures while the load runs, which has a process of its own."""
    if load is None:
        return asyncio.run(client())
    process = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(load()), daemon=True)
    process.start()
    try:
        time.sleep(0.5)
        return asyncio.run(client())
    finally:
        process.terminate()
        process.join()


async def steadily(rate: float, one: Callable[[], Awaitable[object]]) -> None:
    """Begin `rate` requests a second, until the task is cancelled."""
    began, sent = time.monotonic(), 0
    running: set[asyncio.Future[object]] = set()
    while True:
        await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))
        task = asyncio.ensure_future(one())
        running.add(task)
        task.add_done_callback(running.discard)
        sent += 1
