"""A collection with OVSDB, OVN, NDFC and UFM all hanging, against the same one without them, in one run.

``python -m tests.bench.hanging`` prints the medians and the ratios, of time and of the whole process's CPU.
The collections alternate, and a ratio is the median of the pairs': what else the machine does meets both.
Besides they have the series of 200 guests. The local switch's database says which chassis this is before it
hangs: OVN is not asked otherwise.
"""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.errors import SourceError
from hostcollector.base.model import Guest, Sample, Snapshot, SourceState
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import guest as guest_rows
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector, Guests
from hostcollector.config.address import Remote, Transport
from hostcollector.config.services import NdfcSettings, OvnSettings, OvsSettings, UfmSettings
from hostcollector.devices.logical_ports import OvnPorts
from hostcollector.devices.switch import LocalSwitch
from hostcollector.protocols.ndfc.client import NdfcClient
from hostcollector.protocols.ufm import UfmClient
from hostcollector.sources.ndfc import Ndfc
from hostcollector.sources.ovn import Ovn
from hostcollector.sources.ovs import OpenVswitch
from hostcollector.sources.ufm import Ufm
from tests.fakes.authority import Authority
from tests.fakes.database import SWITCH_SCHEMA, Connection, FakeDatabase, Rows, texts
from tests.fakes.ndfc import FakeNdfc
from tests.fakes.rest import USER, keep_password
from tests.fakes.ufm import PKEYS, FakeUfm

GUESTS = 200
SERIES_OF_A_GUEST = 100
ROUNDS = 101
LIMIT_RATIO = 1.1
PATIENCE = 20
HANGING = frozenset({"ovs", "ovn", "ndfc", "ufm"})


class Work(Source):
    """A source that gives each guest a series per kind of event."""

    name = "events"

    def read(self, request: Request) -> Reading:
        """Return the series."""
        kinds = [(f"kind-{number}",) for number in range(SERIES_OF_A_GUEST)]
        return Reading(
            samples=[Sample(guest_rows.EVENTS, 1, kind, uuid) for uuid in request.guests for kind in kinds]
        )

    def close(self) -> None:
        """Nothing is held open."""


class HungDatabase:
    """Takes every connection and answers none, but for the first one, which gets `rows`."""

    def __init__(self, path: Path, rows: Rows | None = None) -> None:
        self.swallowed: Counter[str] = Counter()
        """What it was asked in vain."""
        self._rows = rows
        self._server = FakeDatabase(path, self._behave)

    def __enter__(self) -> Remote:
        return self._server.__enter__().remote

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)

    def _behave(self, connection: Connection) -> None:
        if self._rows is not None:
            connection.follow(SWITCH_SCHEMA, self._rows)
            self._rows = None
        while True:
            self.swallowed[connection.receive()["method"]] += 1


def guests() -> dict[str, Guest]:
    """Return guests with a VLAN and a logical port each."""
    found = {}
    for n in range(GUESTS):
        nic = Nic(type="bridge", target=f"tap{n}", interface_id=f"lp-{n}", vlans=(n + 1,))
        found[f"{n:032x}"] = Guest(domain=Domain(uuid=f"{n:032x}", name=f"vm-{n}", nics=(nic,)))
    return found


def collector(*sources: Source) -> Collector:
    """Return a started collector that answers each question with a new collection."""
    known = guests()
    made = Collector(sources, Assembler(), Guests(lambda: known), maximum_age=0.0)
    made.start()
    return made


def without(root: Path) -> Collector:
    """Return a collector on a host that has none of them."""
    switch = LocalSwitch(OvsSettings(remote=Remote(Transport.UNIX, path=str(root / "none"))))
    return collector(Work(), OpenVswitch(switch, root), Ovn(None, switch), Ndfc(None), Ufm(None))


@contextmanager
def hung(root: Path) -> Iterator[Collector]:
    """Give a collector on which all four hang, and have been seen to."""
    authority = Authority.new(root)
    chassis = {"Open_vSwitch": {"root": {"external_ids": texts(system_id="chassis-1")}}}
    switch_server, southbound = HungDatabase(root / "ovs", chassis), HungDatabase(root / "ovn")
    ndfc = FakeNdfc(authority.server("controller", "DNS:localhost"))
    ufm = FakeUfm(authority.server("manager", "DNS:localhost"))
    ndfc.hangs("/login")
    ufm.hangs(PKEYS)
    keep_password(root / "password")
    password, ca_file = str(root / "password"), str(authority.file)
    with switch_server as ovs_remote, southbound as ovn_remote, ndfc, ufm:
        switch = LocalSwitch(OvsSettings(remote=ovs_remote, maximum_age_seconds=1.0))
        ports = OvnPorts(OvnSettings(remote=(ovn_remote,)), switch)
        ndfc_settings = NdfcSettings(url=ndfc.url, user=USER, password_file=password, ca_file=ca_file)
        ufm_settings = UfmSettings(url=ufm.url, user=USER, password_file=password, ca_file=ca_file)
        made = collector(
            Work(),
            OpenVswitch(switch, root),
            Ovn(ports, switch),
            Ndfc(NdfcClient(ndfc_settings)),
            Ufm(UfmClient(ufm_settings)),
        )
        asked = (ndfc.requests, ufm.requests, southbound.swallowed, switch_server.swallowed)
        try:
            until(lambda: failed(made.snapshot(8.0).result()) == HANGING and all(asked))
            yield made
            assert failed(made.snapshot(8.0).result()) == HANGING, "one of them answered"
        finally:
            made.close()


def failed(snapshot: Snapshot) -> set[str]:
    """Return the sources that gave nothing."""
    return {report.source for report in snapshot.reports if report.state is SourceState.FAILED}


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SourceError("not everything came to hang")
        time.sleep(0.05)


def hanging() -> float:
    """Print the medians and return the ratio of a collection with all four hanging to one without them."""
    with tempfile.TemporaryDirectory() as name, hung(Path(name)) as troubled:
        return _compare(without(Path(name)), troubled)


def _compare(well: Collector, troubled: Collector) -> float:
    costs: dict[Collector, list[tuple[float, float]]] = {well: [], troubled: []}
    for _ in range(ROUNDS):
        for each, spent in costs.items():
            started, cpu = time.perf_counter(), time.process_time()
            each.snapshot(8.0).result()
            spent.append((time.perf_counter() - started, time.process_time() - cpu))
    well.close()
    ratios = []
    for kind, name in enumerate(("time", "CPU")):
        before, after = ([spent[kind] * 1e3 for spent in each] for each in costs.values())
        ratios.append(statistics.median(b / a for a, b in zip(before, after, strict=True)))
        print(
            f"collection without OVSDB, OVN, NDFC and UFM {statistics.median(before):.2f} ms of {name}, "
            f"with all four hanging {statistics.median(after):.2f}: {ratios[-1]:.2f} times"
        )
    return ratios[0]


if __name__ == "__main__":
    raise SystemExit(hanging() > LIMIT_RATIO)
