"""Mixed load for a long time, and whether the collector's memory, threads and file descriptors stay flat.

``python -m tests.bench.soak MINUTES`` boots LAB_GUESTS guests under load, lets two clients scrape every
second and gives them one trouble after the other: a QEMU that stops, one that is killed, guests that come and
go, a libvirtd that is killed. It prints a line a minute and in the end the slopes, by least squares over the
time after the first quarter, in which caches fill.
"""

import itertools
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression

from tests.lab import laboratory
from tests.lab.guest import Guest
from tests.lab.image import GuestImage
from tests.lab.matrix.footprint import MIB, Footprint
from tests.lab.matrix.harm import EVERYTHING, LIBVIRT, MONITOR, Harm
from tests.lab.matrix.row import Row, row
from tests.lab.matrix.scene import Scene, scene
from tests.lab.matrix.table import Result, markdown

REST_SECONDS = 8.0
TROUBLE_SECONDS = 3
VISITORS = 5
WARM_UP = 0.25

Trouble = Callable[[Scene, Row], None]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The collector's footprint, and when it was taken, in seconds since the start."""

    at: float
    footprint: Footprint

    def line(self) -> str:
        """Return it for a person."""
        held = self.footprint
        return (
            f"{self.at / 60:6.1f} min  {held.memory / MIB:6.1f} MiB  {held.threads:3d} threads  "
            f"{held.descriptors:3d} descriptors"
        )


def hang(on: Scene, current: Row) -> None:
    """Stop a QEMU for a while."""
    with current.fault(Harm.to(on.guests[:1], MONITOR)):
        on.guests[0].stop()
        current.keep_scraping(TROUBLE_SECONDS)
        on.guests[0].cont()


def crash(on: Scene, current: Row) -> None:
    """Kill a QEMU and boot its guest again."""
    with current.fault(Harm.to(on.guests[1:2], EVERYTHING)):
        on.guests[1].kill()
        current.keep_scraping(TROUBLE_SECONDS)
        on.boot_again(1)


def outage(on: Scene, current: Row) -> None:
    """Kill libvirtd and start it again."""
    with current.fault(Harm(everywhere=LIBVIRT)):
        on.hypervisor.kill()
        current.keep_scraping(TROUBLE_SECONDS)
        on.hypervisor.restart()


def churn(on: Scene, current: Row) -> None:
    """Let guests come and go."""
    visitors = on.hypervisor.boot_all(Guest.idle(f"visitor-{number}") for number in range(VISITORS))
    current.keep_scraping(TROUBLE_SECONDS)
    for visitor in visitors:
        visitor.destroy()


TROUBLES: Sequence[Trouble] = (hang, churn, crash, churn, outage)


def main(minutes: float) -> int:
    """Run for so long and print the slopes; 1 when something was wrong on a page."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    # Any end of it, also where a shell has it ignore SIGINT, ends the guests.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    results: list[Result] = []
    measurements: list[Measurement] = []
    with tempfile.TemporaryDirectory() as directory, scene(GuestImage.build(), Path(directory)) as on:
        try:
            with row(results, f"{minutes:g} minutes", on.watched) as current:
                soak(on, current, minutes * 60, measurements)
        except AssertionError as error:
            print(error, file=sys.stderr)
    print(markdown(results))
    print(slopes([taken for taken in measurements if taken.at >= measurements[-1].at * WARM_UP]))
    return int(any(result.wrong or result.leaks for result in results))


def soak(on: Scene, current: Row, seconds: float, measurements: list[Measurement]) -> None:
    """Make trouble until the time is over, with a measurement after each."""
    began = shown = time.monotonic()
    told_wrong = 0
    for trouble in itertools.cycle(TROUBLES):
        try:
            trouble(on, current)
        except TimeoutError as error:  # it counts, and the soak goes on
            current.scraping.wrong.append(str(error))
        current.rounds += 1
        time.sleep(REST_SECONDS)
        now = time.monotonic()
        measurements.append(Measurement(now - began, Footprint.of(on.watched.served.child.pid)))
        if now - shown >= 60:
            shown = now
            print(measurements[-1].line(), *current.scraping.wrong[told_wrong:][:5], sep="\n  ", flush=True)
            told_wrong = len(current.scraping.wrong)
        if now - began >= seconds:
            return


def slopes(measurements: Sequence[Measurement]) -> str:
    """Return how much of each quantity is gained in an hour."""
    hours = [taken.at / 3600 for taken in measurements]
    held = [taken.footprint for taken in measurements]
    quantities = {
        "MiB": [one.memory / MIB for one in held],
        "threads": [float(one.threads) for one in held],
        "file descriptors": [float(one.descriptors) for one in held],
    }
    return "\n".join(
        f"{name:17} {linear_regression(hours, values).slope:+8.2f} an hour, from {min(values):.1f} to "
        f"{max(values):.1f} in {len(values)} measurements"
        for name, values in quantities.items()
    )


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
