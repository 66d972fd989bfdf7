"""Two runs with equal work of one tenant and different work of its neighbour, compared.

The work is drawn at random; what the kernel would count of it follows from a small account of a crowded host.
"""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from hostcollector.base.model import Guest, Kind, Metric, Neighbours, Snapshot
from hostcollector.catalogue import ALL, OF_TENANTS, guest
from hostcollector.outputs.tenant_table import neighbours_of, views_of
from tests.fakes.tenants import NOW, STARTED, TenantHost, customer, plain_label, snapshot

ACME, GLOBEX = customer(1, "acme"), customer(2, "globex")
ROUNDS = 40
MOVING = (Neighbours.WEAK, Neighbours.STRONG)


def run(directory: Path, seed: int) -> list[Mapping[tuple[str, ...], float]]:
    """Return what acme sees in a run: its work is always the same, its neighbour's is drawn from `seed`.

    A row that the catalogue does not know to move with neighbours counts acme's work; any other one also what
    its neighbour did in each round.
    """
    neighbour, work = random.Random(seed), random.Random(0)
    mine: dict[Metric, float] = dict.fromkeys(ALL, 0.0)
    theirs: dict[Metric, float] = dict.fromkeys(ALL, 0.0)
    host, pages = TenantHost(directory), []
    for number in range(ROUNDS):
        for row in ALL:
            view = row.tenant
            own, other = work.random(), neighbour.random() * 1000
            moved = view is None or view.neighbours in MOVING
            mine[row] += own + (other / 10 if moved else 0.0)
            theirs[row] += other
        pages.append(host.values(_snapshot(mine, theirs, NOW + 7 * number)))
    return [{key: value for key, value in page.items() if key[1] == "acme"} for page in pages]


def _snapshot(mine: Mapping[Metric, float], theirs: Mapping[Metric, float], taken_at: float) -> Snapshot:
    def value(row: Metric, known: Guest | None) -> float:
        if row is guest.START_TIME:
            return STARTED
        if row.kind is Kind.INFO or row is guest.STATE_REASON:
            return 1.0
        return mine[row] if known is ACME else theirs[row]

    return snapshot([ACME, GLOBEX], value, plain_label, taken_at=taken_at)


@pytest.mark.parametrize("seed", [1, 2])
def test_only_rows_that_say_so_move_with_neighbours(seed: int, tmp_path: Path) -> None:
    """Pages of two runs differ in such rows only, and in the strong ones by whole steps, once a minute."""
    quiet, busy = run(tmp_path / "quiet", 0), run(tmp_path / "busy", seed)
    rows = {row.name: row for row in OF_TENANTS}
    differing = set()
    for number, (one, other) in enumerate(zip(quiet, busy, strict=True)):
        assert one.keys() == other.keys()
        differing |= {key[0] for key in one if one[key] != other[key]}
        for name in differing:
            assert neighbours_of(rows[name]) in MOVING, (number, name)
    assert any(neighbours_of(rows[name]) is Neighbours.STRONG for name in differing)
    strong = [row for row in OF_TENANTS if neighbours_of(row) is Neighbours.STRONG]
    for row in strong:
        ((_, view),) = views_of(row)
        for key in (key for key in quiet[0] if key[0] == row.name):
            for run_of in (quiet, busy):
                shown = [page[key] for page in run_of]
                minutes = {int((NOW + 7 * number) // 60) for number in range(ROUNDS)}
                assert len(set(shown)) <= len(minutes)
                assert all(abs(value / view.step - round(value / view.step)) < 1e-6 for value in shown)
