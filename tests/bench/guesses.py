"""What 10,000 wrong passwords cost the daemon, and what they cost the Prometheus that knows the right one.

``python -m tests.bench.guesses`` sends them over loopback, fifty at a time, while a scraper goes on. If each
were checked, they would take as long as the last figure says.
"""

import asyncio
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp
import bcrypt

from tests.bench.cost import cpu_seconds
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.served import Served, serving

GUESSES, AT_ONCE, COST = 10_000, 50, 10
USER, PASSWORD = "prometheus", "the right one"  # of a daemon that lives for this measurement


def main() -> int:
    """Run the daemon with one user, guess, and print the answers and the cost."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST))
    started = time.perf_counter()
    bcrypt.checkpw(b"wrong", hashed)
    one_check = time.perf_counter() - started
    with PrivateHypervisor.start() as hypervisor, tempfile.TemporaryDirectory() as directory:
        web_config = Path(directory) / "web-config.yml"
        web_config.write_text(json.dumps({"basic_auth_users": {USER: hashed.decode()}}))
        flag = f"--web.config.file={web_config}"
        with serving(hypervisor.uri_readonly, Path(directory), flag) as served:
            asyncio.run(_flood(served))
    print(f"checking each of them: {GUESSES * one_check:.0f} s of CPU")
    return 0


async def _flood(served: Served) -> None:
    url = f"{served.url}/metrics"
    answers: Counter[int] = Counter()
    scrapes: list[tuple[int, float]] = []
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as guesser, aiohttp.ClientSession() as prometheus:
        await _ask(prometheus, url, PASSWORD)  # it was there before the flood
        scraping = asyncio.create_task(_scrape(prometheus, url, scrapes))
        used, started = cpu_seconds([served.child.pid]), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(_guess(guesser, url, range(number, GUESSES, AT_ONCE), answers))
        seconds, used = time.perf_counter() - started, cpu_seconds([served.child.pid]) - used
        scraping.cancel()
    print(f"{GUESSES} wrong passwords in {seconds:.1f} s: {dict(answers)}")
    print(f"CPU of the daemon, scrapes included: {used:.2f} s, {used / seconds:.2f} of a core")
    right = Counter(status for status, _ in scrapes)
    print(f"scrapes with the right one: {dict(right)}, the slowest {max(took for _, took in scrapes):.2f} s")


async def _guess(session: aiohttp.ClientSession, url: str, numbers: range, answers: Counter[int]) -> None:
    for number in numbers:
        answers[await _ask(session, url, f"guess {number}")] += 1


async def _scrape(session: aiohttp.ClientSession, url: str, scrapes: list[tuple[int, float]]) -> None:
    while True:
        started = time.perf_counter()
        scrapes.append((await _ask(session, url, PASSWORD), time.perf_counter() - started))
        await asyncio.sleep(0.25)


async def _ask(session: aiohttp.ClientSession, url: str, password: str) -> int:
    headers = {"Authorization": aiohttp.encode_basic_auth(USER, password)}
    async with session.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status


if __name__ == "__main__":
    raise SystemExit(main())
