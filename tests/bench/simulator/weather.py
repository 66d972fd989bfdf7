"""Sends storms over a fleet whose time runs faster, and counts what Alertmanager sends."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.bench.simulator import report
from tests.bench.simulator.fleet import SimulatedFleet, Size
from tests.bench.simulator.pace import hurried_rules
from tests.bench.simulator.paging import Inbox, Notification, alertmanager, inbox
from tests.bench.simulator.pattern import Pattern
from tests.bench.simulator.prometheus import Server
from tests.bench.simulator.simulation import simulation
from tests.bench.simulator.storms import STORMS, Storm, calm
from tests.dashboards.rule_files import DASHBOARDS, RULES

NOTIFICATIONS_TARGET = 5
# Each of the ten racks and pools has some hosts; a scrape takes the time that the pace leaves.
_HOSTS, _GUESTS, _PACE = 50, 4, 10.0
_RECOVERY_MINUTES = 12.0
# Until the rates over five minutes, and what alerts for a time because it was unknown before.
_SETTLING_MINUTES = 10.0
ALERTMANAGER = DASHBOARDS / "alertmanager.yml"
# It gets the Watchdog, all the time: its absence is the alarm.
_WATCHDOG = "watchdog"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What people got during a storm, until some minutes after its end."""

    storm: Storm
    notifications: tuple[Notification, ...]

    @property
    def cause_first(self) -> bool:
        """Whether the first notification names the cause."""
        return bool(self.notifications) and bool(self.storm.causes & self.notifications[0].names)


@dataclass(frozen=True, slots=True)
class Weather:
    """A fleet under a Prometheus and an Alertmanager whose minutes are `pace` times as short."""

    fleet: SimulatedFleet
    server: Server
    inbox: Inbox
    pace: float

    def wait(self, minutes: float) -> None:
        """Let so many minutes of the fleet's time pass."""
        time.sleep(minutes * 60 / self.pace)

    def settle(self) -> tuple[Notification, ...]:
        """Wait until a fleet that just started is calm, and return what was sent meanwhile."""
        began = time.time()
        self.wait(_SETTLING_MINUTES)
        return self.sent(began)

    def send(self, storm: Storm) -> Outcome:
        """Let a storm pass over the fleet."""
        began = time.time()
        for step in storm.steps:
            step(self.fleet)
            self.wait(storm.minutes)
        calm(self.fleet)
        self.wait(_RECOVERY_MINUTES)
        return Outcome(storm, self.sent(began))

    def sent(self, began: float) -> tuple[Notification, ...]:
        """Return what was sent since then about alerts that fire, but for the Watchdog."""
        return tuple(one for one in self.inbox.firing(began) if one.receiver != _WATCHDOG)


@contextmanager
def weather(
    fleet: SimulatedFleet,
    directory: Path,
    pace: float,
) -> Iterator[Weather]:
    """Run everything for the block, by the shipped rules and the shipped fragment of Alertmanager."""
    configuration = yaml.safe_load(ALERTMANAGER.read_text())
    with (
        inbox() as received,
        alertmanager(directory, configuration, received, pace) as address,
        simulation(
            fleet, directory, hurried_rules(RULES, pace, directory), pace=pace, alertmanager=address
        ) as server,
    ):
        yield Weather(fleet, server, received, pace)


def part(captured: Pattern, size: Size, directory: Path) -> None:
    """Send every storm over a smaller fleet in a hurry, and write what was sent."""
    fleet = SimulatedFleet(Size(_HOSTS, _GUESTS), captured, time.time())
    with weather(fleet, directory, _PACE) as sky:
        quiet = len(sky.settle())
        outcomes = [sky.send(storm) for storm in STORMS]
    report.write(
        report.SUMMARY,
        "storms",
        f"{_HOSTS} hosts with {_GUESTS} guests, {quiet} notifications before the first storm:",
        report.table(HEADINGS, map(row, outcomes)),
    )


HEADINGS = ("storm", "notifications", "to", "first", "cause in the first", "alerts in all")


def row(outcome: Outcome) -> tuple[str, ...]:
    """Return the line of a table."""
    sent = outcome.notifications
    missed = " MISSED" if len(sent) > NOTIFICATIONS_TARGET else ""
    return (
        outcome.storm.name,
        f"{len(sent)}{missed}",
        ", ".join(f"{name} {count}" for name, count in Counter(one.receiver for one in sent).items()),
        ", ".join(sorted(sent[0].names)) if sent else "",
        "yes" if outcome.cause_first else "NO",
        ", ".join(sorted(frozenset().union(*(one.names for one in sent)))),
    )
