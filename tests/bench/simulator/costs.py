"""What every board and rule costs on the fleet, and what that means for one of 2,000 hosts."""

import os
import time
from pathlib import Path

from tests.bench.simulator import prometheus, queries, report, rules
from tests.bench.simulator.fleet import SimulatedFleet, Size
from tests.bench.simulator.grafana import Visitor
from tests.bench.simulator.pattern import Pattern, hardware
from tests.bench.simulator.prometheus import SCRAPE_SECONDS
from tests.bench.simulator.simulation import JOB, simulation, time_passes
from tests.dashboards.rule_files import RULES
from tests.simulated import golden

LARGE = 2_000
"""Hosts of the fleet for which the figures are scaled."""
WINDOW_SECONDS = 300
# Together until each range of five minutes in the window is full.
_FILL_SECONDS, _WATCH_SECONDS = 480, 120
_SHOWN = 15


def part(captured: Pattern, size: Size, directory: Path) -> None:
    """Run the fleet for a quarter of an hour, open every board, and write the tables."""
    kinds = [hardware(golden.path(name).read_text(), captured) for name in golden.HOSTS]
    fleet = SimulatedFleet(size, captured, time.time(), kinds)
    more = LARGE / size.hosts
    with simulation(fleet, directory, RULES) as server, time_passes(fleet):
        print(f"the first {_FILL_SECONDS} s of samples ...", flush=True)
        time.sleep(_FILL_SECONDS)
        scraped = server.value(f'sum(scrape_samples_scraped{{job="{JOB}"}})')
        answering = server.value(f'count(up{{job="{JOB}"}} == 1)')
        assert answering == size.hosts, (
            f"{answering} of {size.hosts} hosts answer: the machine has too much to do"
        )
        assert abs(scraped - fleet.series) < fleet.series / 100, f"{scraped} of {fleet.series} series"
        print("the groups of rules ...", flush=True)
        groups = rules.watched(server, _WATCH_SECONDS)
        memory, head = server.resident(), server.head()["numSeries"]
        print("the boards ...", flush=True)
        found = [
            queries.scaled(cost, more, WINDOW_SECONDS) for cost in Visitor(server, WINDOW_SECONDS).visits()
        ]
        shipped, last = server.rule_groups(), time.time()
    print("each rule alone ...", flush=True)
    with prometheus.running(directory, "", [], []) as resting:
        alone = rules.alone(resting, shipped, last - SCRAPE_SECONDS)
    load = ", ".join(f"{one:.0f}" for one in os.getloadavg())
    missed = [one for one in found if one.missed]
    report.write(
        report.SUMMARY,
        "costs",
        f"{size.hosts} hosts with {size.guests} guests: {scraped:,.0f} series of {JOB}, {head:,} with other "
        f"jobs, recordings and ended guests. Prometheus has {memory / 2**30:.1f} GiB resident. "
        f"The machine's load average is {load}.",
        "The rules while Prometheus scrapes: an evaluation waits for other groups and for the scrapes.",
        report.table(rules.HEADINGS, rules.rows(groups, more)),
        "Each rule alone, on a Prometheus that does nothing else:",
        report.table(rules.HEADINGS, rules.rows(alone, more)),
        f"{len(found)} queries, {len(missed)} of which miss a target. The most expensive ones:",
        report.table(queries.HEADINGS, list(queries.rows(found))[:_SHOWN]),
    )
    report.write(report.QUERIES, "queries", report.table(queries.HEADINGS, queries.rows(found)))
