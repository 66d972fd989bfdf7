"""A thousand tenants in one store: what one of them notices of others' load and of bad tokens."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.bench.gateway.paced import Times, beside, paced, steadily
from tests.bench.gateway.processes import children, cpu_seconds, memory
from tests.bench.gateway.ways import TEXT
from tests.bench.gateway.world import store
from tests.gateway.served import PROMETHEUS, Gateway, served

TENANTS = 1000
RATE, SECONDS = 5.0, 40.0
REQUESTS_A_MINUTE = 1200
PLANS = f"plans: {{detailed: {{requests_per_minute: {REQUESTS_A_MINUTE}}}}}\n"
FLOOD = 200
"""Requests a second with tokens that do not exist."""

Load = Callable[[], Coroutine[Any, Any, object]]


def main() -> None:
    """Print what a tenant measures alone and beside each load."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "plans.yml").write_text(PLANS)
        now = int(time.time()) // 60 * 60
        with (
            store(TENANTS, now) as url,
            served(url, directory / "gateway", plans=f"{directory}/plans.yml") as gateway,
        ):
            print(f"\nOne of {TENANTS} tenants, {RATE:g} requests a second, an hour of ten VMs at 60 s:\n")
            print("| beside it | p50 ms | p99 ms | failed | CPU of the gateway | MiB of a worker |")
            print("|---|---|---|---|---|---|")
            _measured(gateway, now)


def _measured(gateway: Gateway, now: int) -> None:
    ask = partial(_ask, gateway, now)
    loads: dict[str, Load | None] = {
        "nothing": None,
        "a tenant at its requests in a minute": lambda: _steadily(REQUESTS_A_MINUTE / 60, partial(ask, "1h")),
        "a tenant at twice its requests": lambda: _steadily(REQUESTS_A_MINUTE / 30, partial(ask, "1h")),
        "a tenant with 16 long queries at a time": lambda: _at_once(16, partial(ask, "long")),
        f"{FLOOD} bad tokens a second": lambda: _steadily(FLOOD, partial(ask, "bad")),
        "64 readers that do not read": lambda: _at_once(64, partial(_unread, gateway, now)),
    }
    alone = 0.0
    query = urlencode({"query": TEXT, "start": str(now - 3600), "end": str(now), "step": "60"})
    url = f"http://127.0.0.1:{gateway.port}{PROMETHEUS}query_range?{query}"
    for label, load in loads.items():
        began, before = time.monotonic(), cpu_seconds(gateway.process.pid)
        times: Times = beside(lambda: paced(url, gateway.other, rate=RATE, seconds=SECONDS), load)
        share = (cpu_seconds(gateway.process.pid) - before) / (time.monotonic() - began)
        most = max(memory(pid) for pid in children(gateway.process.pid))
        alone = alone or times.slowest
        print(
            f"| {label} | {times.median:.1f} | {times.slowest:.1f} ({times.slowest / alone:.2f}) "
            f"| {times.failed} of {times.count} | {share:.2f} | {most:.0f} |"
        )


async def _ask(gateway: Gateway, now: int, kind: str, session: aiohttp.ClientSession) -> None:
    token = gateway.token
    if kind == "bad":
        token = f"hc_{secrets.token_hex(8)}_{secrets.token_hex(32)}"
    text, step = ('{__name__=~"vm_.+"}', "2") if kind == "long" else (TEXT, "60")
    query = {"query": text, "start": str(now - 3600), "end": str(now), "step": step}
    url = f"http://127.0.0.1:{gateway.port}{PROMETHEUS}query_range"
    async with session.get(url, params=query, headers={"Authorization": f"Bearer {token}"}) as answer:
        await answer.read()


async def _unread(gateway: Gateway, now: int, _session: aiohttp.ClientSession) -> None:
    query = {"query": '{__name__=~"vm_.+"}', "start": str(now - 3600), "end": str(now), "step": "2"}
    head = f"GET {PROMETHEUS}query_range?{urlencode(query)} HTTP/1.1\r\nHost: x\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport of a socket has it
    writer.write(f"{head}Authorization: Bearer {gateway.token}\r\n\r\n".encode())
    try:
        await asyncio.sleep(60)
    finally:
        writer.transport.abort()


async def _steadily(rate: float, one: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        await steadily(rate, lambda: one(session))


async def _at_once(count: int, one: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=count)) as session:

        async def again() -> None:
            while True:
                await one(session)

        await asyncio.gather(*(again() for _ in range(count)))
