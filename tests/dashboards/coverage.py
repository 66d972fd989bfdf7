"""Which query has data: from real guests, from recorded pages, or, with a reason, from neither."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.dashboards import recorded, server
from tests.dashboards.execution import Answer, answered, result
from tests.dashboards.live import INTERVAL
from tests.dashboards.reasons import reason
from tests.lab.process import until
from tests.simulated.gpu_host import PASSED, gpu_host
from tests.simulated.gpus import work
from tests.simulated.network_host import network_host

DOUBLE_BIT_ERROR = 48
"""An Xid: memory was wrong and could not be corrected, so that the GPU needs a reset."""


CRITICAL = 'ALERTS{alertname="PCIeUncorrectedErrors", alertstate="firing"}'


@dataclass(frozen=True, slots=True)
class Line:
    """One query with how many series it gave from either side."""

    live: Answer
    recorded: Answer

    @property
    def where(self) -> str:
        """Where the data is, or why there is none; empty if unknown."""
        if self.live.series:
            return "live and recorded" if self.recorded.series else "live"
        return "recorded" if self.recorded.series else reason(self.live.question)

    @property
    def errors(self) -> str:
        """What Prometheus complained about."""
        return self.live.error + self.recorded.error


def lines(live_url: str, recorded_url: str, recorded_at: float) -> Iterator[Line]:
    """Yield every query of the boards with its answers: live those of now, recorded those of a time.

    The last recorded page is of a moment, and all queries may take longer than Prometheus looks back.
    """
    of_guests = answered(live_url, interval=INTERVAL, span=60)
    for live, from_pages in zip(of_guests, answered(recorded_url, at=recorded_at), strict=True):
        assert live.question == from_pages.question
        yield Line(live, from_pages)


@contextmanager
def hardware(directory: Path) -> Iterator[str]:
    """Yield a Prometheus over pages of a host with GPUs and of one whose network is hardware."""
    with over(directory, pages(directory), time.time()) as url:
        until(lambda: bool(result(url, CRITICAL)), 30.0, "the alert on the recorded PCIe error")
        yield url


@contextmanager
def over(directory: Path, recordings: Iterable[recorded.Recording], now: float) -> Iterator[str]:
    """Yield a Prometheus over recordings whose last page is of now."""
    recorded.write(directory, *recordings, now=now)
    with server.serving(directory) as url:
        yield url


def pages(directory: Path) -> tuple[recorded.Recording, ...]:
    """Record the pages of both hosts."""
    with ExitStack() as stack:
        return _recorded(directory, stack)


def _recorded(directory: Path, stack: ExitStack) -> tuple[recorded.Recording, ...]:
    (directory / "gpus").mkdir()
    gpus = stack.enter_context(gpu_host(directory / "gpus"))
    gpus.settled()
    rounds = count()

    def worked() -> None:
        work(gpus)
        gpus.nvml.xid(0, DOUBLE_BIT_ERROR)
        gpus.tree.aer(PASSED[0], fatal_DLP=next(rounds))
        gpus.heard()

    network = stack.enter_context(network_host(directory / "network"))
    return (
        recorded.record("gpu-host", gpus.snapshot, worked),
        recorded.record("network-host", network.snapshot, network.work),
    )
