"""Writes every board as JSON into a directory: `python -m dashboards.src [DIRECTORY]`, by default dashboards/."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.src import (
    availability,
    capacity,
    collector,
    fleet,
    gateway,
    gpu,
    gpu_fleet,
    guest,
    hypervisor,
    infiniband,
    migrations,
    neighbours,
    network,
    tenant,
)
from dashboards.src.board import build

BOARDS = tuple(
    module.BOARD
    for module in (
        *(fleet, availability, capacity, migrations, gpu_fleet, infiniband),
        *(hypervisor, neighbours, network, gpu, tenant, guest, collector, gateway),
    )
)


def main(directory: Path) -> None:
    """Write the boards, each named by its UID."""
    for board in BOARDS:
        text = json.dumps(build(board), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        (directory / f"{board.uid}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
