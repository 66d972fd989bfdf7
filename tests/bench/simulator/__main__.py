"""`make bench-fleet`: what the boards and rules cost on a fleet of SIMULATED_HOSTS=200 with SIMULATED_GUESTS=30."""

import os
import pickle
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.simulator import laboratory, neighbours, prometheus
from tests.bench.simulator.fleet import SimulatedFleet, Size, hardware_of
from tests.bench.simulator.grafana import Visitor
from tests.bench.simulator.pages import served
from tests.bench.simulator.pattern import hardware, pattern
from tests.bench.simulator.prometheus import Target
from tests.bench.simulator.queries import HEADINGS, rows, scaled
from tests.dashboards.rule_files import RULES
from tests.places import FIXTURES
from tests.ports import reserved_port

WINDOW = 300


def main() -> int:
    size = Size(int(os.environ.get("SIMULATED_HOSTS", "200")), int(os.environ.get("SIMULATED_GUESTS", "30")))
    wait = int(os.environ.get("SIMULATED_WAIT", "400"))
    f = Path("/tmp/hc/simwork/cap.pickle")
    p = pattern(pickle.loads(f.read_bytes()))
    kinds = [hardware((FIXTURES / "pages" / f"{name}.prom").read_text(), p) for name in ("gpu", "network")]
    fleet = SimulatedFleet(size, p, time.time(), list(hardware_of(20, kinds)))
    pages = {f"/hostcollector/{h.name}": h.page for h in fleet.hosts} | dict(neighbours.pages(fleet))
    targets = []
    for path in pages:
        _, job, name = path.split("/")
        host = next(h for h in fleet.hosts if h.name == name)
        targets.append(Target(job, name, path, {"host": name, **host.labels}))
    with tempfile.TemporaryDirectory(prefix="hostcollector-simulator-", dir="/var/tmp") as directory, reserved_port() as port:
        with served(pages, port), prometheus.running(Path(directory), f"127.0.0.1:{port}", targets, RULES) as server:
            end = time.time() + wait
            while time.time() < end:
                time.sleep(15)
                fleet.pass_time(time.time())
                print(int(end - time.time()), fleet.series, os.getloadavg(), sum(g["evaluationTime"] for g in server.rule_groups()), flush=True)
            print("series", fleet.series, "head", server.value("prometheus_tsdb_head_series"), Path(f"/proc/{server.pid}/status").read_text().split("VmRSS:")[1].split("\n")[0])
            for g in server.rule_groups():
                print(f'{g["name"]:30} {g["interval"]} {g["evaluationTime"]:.3f}')
            worst = sorted((r for g in server.rule_groups() for r in g["rules"]), key=lambda r: -r["evaluationTime"])[:20]
            for r in worst:
                print(f'   {r["evaluationTime"]:.3f} {r["name"]}')
            found = [scaled(cost, 2000 / size.hosts, WINDOW) for cost in Visitor(server, WINDOW).visits()]
            print("| " + " | ".join(HEADINGS) + " |")
            for row in rows(found):
                print("| " + " | ".join(row) + " |")
            print(os.getloadavg())
    return 0


if __name__ == "__main__":
    sys.exit(main())
