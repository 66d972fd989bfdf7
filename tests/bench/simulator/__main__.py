"""A simulated fleet under a real Prometheus: `make bench-fleet`, or `python -m tests.bench.simulator PART`.

- `costs`: what every panel and variable of every board costs, and every group of rules. Half an hour.
- `storms`: what Alertmanager sends when much goes wrong at one time. Half an hour.
- `sizing`: bytes and CPU for each series, of Prometheus and of a store behind it. Half an hour.

FLEET_HOSTS (200) and FLEET_GUESTS (30) are the size for `costs`; the others are smaller. FLEET_WARM_SECONDS
(1500) is the time before `sizing` measures. Tables are printed, and written into docs/benchmarks.md and
docs/boards-cost.md.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.simulator import costs, laboratory, sizing, weather
from tests.bench.simulator.fleet import Size
from tests.bench.simulator.pattern import pattern
from tests.lab import laboratory as lab

SIZE = Size(int(os.environ.get("FLEET_HOSTS", "200")), int(os.environ.get("FLEET_GUESTS", "30")))
PARTS = {"costs": costs.part, "storms": weather.part, "sizing": sizing.part}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts, and write what they found."""
    parser = argparse.ArgumentParser(prog="make bench-fleet", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="without any: all")
    chosen = parser.parse_args(arguments).parts or PARTS
    if reason := lab.missing():
        print(reason, file=sys.stderr)
        return 1
    print("capturing a page of a real guest ...", flush=True)
    captured = pattern(laboratory.captured())
    for part in chosen:
        with tempfile.TemporaryDirectory(prefix="hostcollector-fleet-", dir="/var/tmp") as directory:
            print(f"{part} ...", flush=True)
            PARTS[part](captured, SIZE, Path(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
