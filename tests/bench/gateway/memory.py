"""What a worker holds while many clients read long answers, quickly and slowly."""

import asyncio
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from tests.bench.gateway.processes import begin_peak, children, memory
from tests.bench.gateway.world import store
from tests.gateway.served import PROMETHEUS, Gateway, served

CLIENTS = 64
VMS = 30
SLOW_BYTES = 64 * 1024
"""What a slow reader takes in a second."""

MORE = "limits: {concurrency: 1000, seconds: 120}\n"
PLANS = "plans: {detailed: {requests_per_minute: 1000000}}\n"


def main() -> None:
    """Print the most memory of a worker for each kind of reader."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "plans.yml").write_text(PLANS)
        now = int(time.time()) // 60 * 60
        with (
            store(2, now, largest=VMS) as url,
            served(url, directory / "gateway", plans=f"{directory}/plans.yml", more=MORE) as gateway,
        ):
            length = len(gateway.ask(f"{PROMETHEUS}query_range?{_long(now)}").body)
            print(
                f"\n{CLIENTS} clients at once, each with an answer of {length / 1e6:.1f} MB, two workers:\n"
            )
            print(
                "| readers | got data | before MiB | most MiB of a worker | seconds |\n|---|---|---|---|---|"
            )
            for label, pause in (("fast", 0.0), ("64 KiB a second, for 10 s", 1.0)):
                workers = children(gateway.process.pid)
                before = max(memory(pid) for pid in workers)
                for pid in workers:
                    begin_peak(pid)
                began = time.monotonic()
                found = asyncio.run(_readers(gateway, now, pause))
                got = sum(read > SLOW_BYTES for read in found)
                assert got == CLIENTS or pause, (
                    found
                )  # a store serves some queries at a time: slow ones hold it
                most = max(memory(pid, "VmHWM") for pid in workers)
                print(f"| {label} | {got} | {before:.0f} | {most:.0f} | {time.monotonic() - began:.0f} |")


def _long(now: int) -> str:
    return urlencode({"query": '{__name__=~"vm_.+"}', "start": str(now - 3000), "end": str(now), "step": "1"})


async def _readers(gateway: Gateway, now: int, pause: float) -> list[int]:
    head = (
        f"GET {PROMETHEUS}query_range?{_long(now)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {gateway.token}\r\n\r\n"
    )

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=SLOW_BYTES)
        writer.write(head.encode())
        read, ends_at = 0, time.monotonic() + 10
        while piece := await reader.read(SLOW_BYTES):
            read += len(piece)
            if pause:
                await asyncio.sleep(pause)
                if time.monotonic() > ends_at:
                    break
        writer.close()
        return read

    return await asyncio.gather(*(one() for _ in range(CLIENTS)))
