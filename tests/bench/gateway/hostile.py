"""Hostile queries: what each takes, and what another tenant notices while they come one after the other."""

import asyncio
import itertools
import tempfile
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from tests.bench.gateway.paced import beside, paced, steadily
from tests.bench.gateway.processes import begin_peak, children, memory
from tests.bench.gateway.ways import TEXT
from tests.bench.gateway.world import store
from tests.gateway.served import PROMETHEUS, Gateway, served

TENANTS = 20
RATE, SECONDS = 5.0, 40.0
HOSTILE_RATE = 40.0
"""Hostile queries a second: twice what the tenant's plan has."""

PLANS = "plans: {detailed: {requests_per_minute: 1200}}\n"

HOSTILE = {
    "terms": "+".join(["x"] * 2000),
    "terms within the bounds": "+".join(["x"] * 100),
    "signs": "-" * 4000 + "x",
    "brackets": "(" * 5000 + "x" + ")" * 5000,
    "brackets within the bounds": "(" * 90 + "x" + ")" * 90,
    "subqueries": "x" + "[1m:1m]" * 1000,
    "nested subqueries": "max_over_time(" * 45 + "x" + "[1m:1m])" * 45,
    "words": "x" + " and x" * 1000,
    "matchers": "x{" + ",".join(['a=""'] * 1600) + "}",
    "a long string": 'x{a="' + "y" * 8000 + '"}',
    "a string of a MB": 'x{a="' + "y" * 1_000_000 + '"}',
    "escapes": 'x{a="' + "\\\\" * 4000 + '"}',
    "digits": "1" * 8000,
    "durations": "x[" + "1s" * 4000 + "]",
    "labels": "sum by (" + ",".join(["a"] * 4000) + ") (x)",
    "arguments": "label_join(x," + ",".join(['"a"'] * 2000) + ")",
    "classes of letters": '{vm=~"\\\\w{200}"}',
    "a regular expression": '{vm=~"' + "(a{1,1000}){1,1000}" * 5 + '"}',
    "alternatives": '{vm=~"' + "|".join(["a.*b"] * 1500) + '"}',
    "comments": "x #" + "(" * 8000,
    "instants": "x @ " + "9" * 4000,
}
"""By shape; names and sizes are those of attacks on parsers."""

FORMS = {name: urlencode({"query": text}).encode() for name, text in HOSTILE.items()}
"""Encoded once: that of a MB takes longer than all answers, in the process that measures another tenant."""

_TYPE = "application/x-www-form-urlencoded"


def main() -> None:
    """Print what each query takes, and the times of another tenant without and with all of them."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "plans.yml").write_text(PLANS)
        now = int(time.time()) // 60 * 60
        with (
            store(TENANTS, now) as url,
            served(url, directory / "gateway", plans=f"{directory}/plans.yml") as gateway,
        ):
            before = children(gateway.process.pid)
            asyncio.run(_each(gateway))
            _another(gateway, now)
            same = children(gateway.process.pid) == before
            print(f"The workers are {'the same' if same else 'OTHERS'} afterwards.")


async def _each(gateway: Gateway) -> None:
    print("| query | bytes | answer | ms | more memory MiB |\n|---|---|---|---|---|")
    workers = children(gateway.process.pid)
    async with aiohttp.ClientSession() as session:
        for name, text in HOSTILE.items():
            for pid in workers:
                begin_peak(pid)
            memories = [memory(pid) for pid in workers]
            began = time.perf_counter()
            answer = await _sent(session, gateway, FORMS[name])
            spent = (time.perf_counter() - began) * 1000
            more = max(memory(pid, "VmHWM") - was for pid, was in zip(workers, memories, strict=True))
            print(f"| {name} | {len(text)} | {answer} | {spent:.1f} | {max(more, 0):.1f} |")


def _another(gateway: Gateway, now: int) -> None:
    query = urlencode({"query": TEXT, "start": str(now - 3600), "end": str(now), "step": "60"})
    url = f"http://127.0.0.1:{gateway.port}{PROMETHEUS}query_range?{query}"

    async def load() -> None:
        async with aiohttp.ClientSession() as session:
            await steadily(HOSTILE_RATE, lambda: _sent(session, gateway, next(forms)))

    forms = itertools.cycle(FORMS.values())
    client = partial(paced, url, gateway.other, rate=RATE, seconds=SECONDS)
    alone, under = beside(client), beside(client, load)
    print(f"\nAnother tenant, {RATE:g} requests a second, beside {HOSTILE_RATE:g} of these a second:\n")
    print("| | p50 ms | p99 ms | failed |\n|---|---|---|---|")
    for label, times in (("alone", alone), ("under hostile queries", under)):
        print(f"| {label} | {times.median:.1f} | {times.slowest:.1f} | {times.failed} of {times.count} |")
    print(f"\np99 under them: {under.slowest / alone.slowest:.2f} of alone.")


async def _sent(session: aiohttp.ClientSession, gateway: Gateway, form: bytes) -> str:
    url = f"http://127.0.0.1:{gateway.port}{PROMETHEUS}query"
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": _TYPE}
    try:
        async with session.post(url, data=form, headers=headers) as answer:
            return f"{answer.status} {(await answer.text())[35:110]}"
    except aiohttp.ClientError as error:
        return type(error).__name__
