"""A collection with a fabric controller that hangs, against the same one without it, in one run.

``python -m tests.bench.hanging`` prints the medians and their ratio. The collections alternate, and what they
consist of besides is work of some milliseconds, as a small hypervisor has it.
"""

import statistics
import tempfile
import time
from pathlib import Path

from hostcollector.assemble import Assembler
from hostcollector.catalogue import guest as guest_rows
from hostcollector.collect import Collector
from hostcollector.config import NdfcSettings
from hostcollector.model import Domain, Guest, Nic, Sample
from hostcollector.ndfc import Client
from hostcollector.sources.base import Reading, Request, Source
from hostcollector.sources.ndfc import Ndfc
from tests.fakes.authority import Authority
from tests.fakes.ndfc import FakeNdfc
from tests.fakes.rest import PASSWORD

GUESTS = 200
ROUNDS = 101
LIMIT_RATIO = 1.1


class Work:
    """A source that gives each guest a series per kind of event."""

    name = "events"

    def read(self, request: Request) -> Reading:
        """Return the series."""
        kinds = [(f"kind-{number}",) for number in range(20)]
        return Reading(
            samples=[Sample(guest_rows.EVENTS, 1, kind, uuid) for uuid in request.guests for kind in kinds]
        )

    def close(self) -> None:
        """Nothing is held open."""


def guests() -> dict[str, Guest]:
    """Return guests with a VLAN each."""
    return {
        f"{n:032x}": Guest(
            domain=Domain(uuid=f"{n:032x}", name=f"vm-{n}", nics=(Nic(type="bridge", vlans=(n + 1,)),))
        )
        for n in range(GUESTS)
    }


def collector(*sources: Source) -> Collector:
    """Return a collector that answers each question with a new collection."""
    known = guests()
    return Collector(sources, Assembler(), guests=lambda: known, maximum_age=0.0)


def hanging() -> float:
    """Print the medians and return the ratio of a collection with the hanging controller to one without."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "password").write_text(PASSWORD)
        with FakeNdfc(Authority.new(directory).server("controller", "DNS:localhost")) as fake:
            fake.hangs("/login")
            settings = NdfcSettings(
                url=fake.url,
                user="reader",
                password_file=str(directory / "password"),
                ca_file=str(directory / "authority.pem"),
            )
            ratio = _compare(collector(Work(), Ndfc(None)), collector(Work(), Ndfc(Client(settings))))
            assert fake.requests == {"/login": 1}, "the controller did not hang"
            return ratio


def _compare(without: Collector, hung: Collector) -> float:
    costs: dict[Collector, list[float]] = {without: [], hung: []}
    for _ in range(ROUNDS):
        for each, times in costs.items():
            started = time.perf_counter()
            each.snapshot(8.0).result()
            times.append(time.perf_counter() - started)
    for each in costs:
        each.close()
    base, ours = (statistics.median(times) * 1e3 for times in costs.values())
    print(
        f"collection without NDFC {base:.2f} ms, with one that hangs {ours:.2f} ms: {ours / base:.2f} times"
    )
    return ours / base


if __name__ == "__main__":
    hanging()
