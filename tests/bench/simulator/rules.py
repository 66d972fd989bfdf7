"""What the shipped rules cost: the time of each group and rule, as a share of the interval of its group.

A Prometheus that scrapes evaluates several groups at a time, and its processors write samples, so an
evaluation mostly waits. Each rule is also asked alone, of a Prometheus that does nothing else.
"""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.simulator.prometheus import Server

SHARE_TARGET = 0.3
"""Of their intervals, for all groups together."""
_POLL_SECONDS = 5.0
_TIMES = 15
"""How often a rule is asked alone; the least time counts."""


@dataclass(frozen=True, slots=True)
class GroupCost:
    """A group: seconds of an evaluation on average, those of its rules, and its interval in seconds."""

    name: str
    interval: float
    seconds: float
    rules: Mapping[str, float]

    @property
    def share(self) -> float:
        """The share of the interval for which the group is evaluated."""
        return self.seconds / self.interval


def watched(server: Server, seconds: float) -> list[GroupCost]:
    """Watch the groups for so long, and return what each cost, the most expensive first."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    rules: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    intervals: dict[tuple[str, str], float] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for group in server.rule_groups():
            key = group["file"], group["name"]
            intervals[key] = group["interval"]
            groups[key].append(group["evaluationTime"])
            for number, rule in enumerate(group["rules"]):
                rules[key][f"{rule['name']} ({number})"].append(rule["evaluationTime"])
        time.sleep(_POLL_SECONDS)
    found = [
        GroupCost(
            name=key[1],
            interval=intervals[key],
            seconds=statistics.fmean(times),
            rules={name: statistics.fmean(each) for name, each in rules[key].items()},
        )
        for key, times in groups.items()
    ]
    return sorted(found, key=lambda group: -group.share)


def alone(server: Server, shipped: list[dict[str, Any]], at: float) -> list[GroupCost]:
    """Ask each rule of the groups by itself, for the samples of a time; return what each group costs.

    Writing the results of a recording is not in it.
    """
    found = [
        GroupCost(
            name=group["name"],
            interval=group["interval"],
            rules=(
                times := {
                    f"{rule['name']} ({number})": min(
                        _asked(server, rule["query"], at) for _ in range(_TIMES)
                    )
                    for number, rule in enumerate(group["rules"])
                }
            ),
            seconds=sum(times.values()),
        )
        for group in shipped
    ]
    return sorted(found, key=lambda group: -group.share)


def _asked(server: Server, query: str, at: float) -> float:
    answer = json.loads(server.get("query", query=query, time=f"{at:.3f}", stats="all"))
    seconds: float = answer["data"]["stats"]["timings"]["execTotalTime"]
    return seconds


HEADINGS = ("group", "interval, s", "evaluation, s", "share", "share scaled", "most expensive rules, s")
_WORST = 3


def rows(groups: list[GroupCost], hosts: float) -> Iterator[tuple[str, ...]]:
    """Yield a line for each group and one for all, scaled to so many times the hosts."""
    for group in groups:
        worst = sorted(group.rules, key=lambda name: -group.rules[name])[:_WORST]
        yield (
            group.name,
            f"{group.interval:.0f}",
            f"{group.seconds:.3f}",
            f"{group.share:.2%}",
            f"{group.share * hosts:.1%}",
            ", ".join(f"{name} {group.rules[name]:.3f}" for name in worst),
        )
    share = sum(group.share for group in groups)
    missed = " MISSED" if share * hosts > SHARE_TARGET else ""
    yield (
        "all",
        "",
        f"{sum(group.seconds for group in groups):.3f}",
        f"{share:.2%}",
        f"{share * hosts:.1%}{missed}",
        "",
    )
