"""The `ndfc` source: what of the controller's answer is about this host, and how it is shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.errors import SourceError, SourceUnavailableError
from hostcollector.base.model import Guest, Metric, Sample, SourceState
from hostcollector.base.source import Request
from hostcollector.catalogue import network as rows
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector, Guests
from hostcollector.config.services import NdfcSettings
from hostcollector.protocols.ndfc.answers import NdfcAnswer, Placement
from hostcollector.protocols.ndfc.client import NdfcClient
from hostcollector.sources.ndfc import Ndfc, vlans_in_use
from tests.fakes.authority import Authority
from tests.fakes.ndfc import FakeNdfc
from tests.fakes.rest import keep_password

WEB = Placement(fabric="dc1", network="web", vni=30001, vrf="acme", vrf_vni=50001)
DATABASE = Placement(fabric="dc1", network="db", vni=30002, vrf="acme", vrf_vni=50001)
STORAGE = Placement(fabric="dc2", network="storage")


class Answered(NdfcClient):
    """A client that has an answer and asks no service."""

    def __init__(self, answer: NdfcAnswer | None, failure: str = "") -> None:
        super().__init__(NdfcSettings())
        self._told, self._said = answer, failure

    def start(self) -> None:
        """Do nothing."""

    def current(self) -> tuple[NdfcAnswer, float, str]:
        """Return the answer, which is 90 s old."""
        if self._told is None:
            raise SourceUnavailableError(self._said)
        return self._told, 90.0, self._said


def request_of(*nics: Nic) -> Request:
    """Return a request with one guest that has these interfaces, and one without any."""
    guests = {
        "u1": Guest(domain=Domain(uuid="u1", name="one", nics=nics)),
        "u2": Guest(domain=Domain(uuid="u2", name="two")),
    }
    return Request(guests=guests, deadline=0.0, taken_at=0.0)


def shown(samples: Mapping[str, object] | list[Sample], metric: Metric) -> list[tuple[str, ...]]:
    """Return the labels of a metric's samples."""
    return [sample.labels for sample in samples if isinstance(sample, Sample) and sample.metric is metric]


def test_only_vlans_of_this_hosts_guests_are_shown() -> None:
    """A VLAN that no guest here uses is not on this page."""
    answer = NdfcAnswer(version="12.2.1", vlans={100: (WEB,), 200: (DATABASE,), 300: (STORAGE,)})
    nics = (Nic(type="bridge", vlans=(100,)), Nic(type="hostdev", vlans=(200,), pci_address="0000:3b:00.2"))
    reading = Ndfc(Answered(answer)).read(request_of(*nics))
    samples = list(reading.samples)
    assert shown(samples, rows.NETWORK_INFO) == [
        ("100", "30001", "web", "acme", "dc1"),
        ("200", "30002", "db", "acme", "dc1"),
    ]
    assert shown(samples, rows.VRF_INFO) == [("acme", "50001", "dc1")]
    assert shown(samples, rows.NDFC_INFO) == [("12.2.1",)]
    assert Sample(rows.VLANS_UNRESOLVED, 0) in samples
    assert (reading.notes, reading.partial) == ((), False)


def test_what_the_controller_does_not_say_is_empty() -> None:
    """A network without VNI and VRF has empty labels, and no series about a VRF."""
    reading = Ndfc(Answered(NdfcAnswer(vlans={300: (STORAGE,)}))).read(
        request_of(Nic(type="bridge", vlans=(300,)))
    )
    assert shown(list(reading.samples), rows.NETWORK_INFO) == [("300", "", "storage", "", "dc2")]
    assert shown(list(reading.samples), rows.VRF_INFO) == []


def test_a_vlan_with_two_meanings_is_left_out() -> None:
    """Which of two networks it is cannot be said; the note says what to configure."""
    reading = Ndfc(Answered(NdfcAnswer(vlans={100: (WEB, STORAGE)}))).read(
        request_of(Nic(type="bridge", vlans=(100, 4000)))
    )
    samples = list(reading.samples)
    assert shown(samples, rows.NETWORK_INFO) == []
    assert Sample(rows.VLANS_UNRESOLVED, 2) in samples
    several, unknown = reading.notes
    assert unknown == "1 VLAN of trunks are no attached networks: 4000"
    assert "'web' of 'dc1' and also 'storage' of 'dc2'" in several
    assert "ndfc.switches" in several


def test_a_trunk_of_unknown_vlans_does_not_flood_the_notes() -> None:
    """A guest with all VLANs gets one note."""
    reading = Ndfc(Answered(NdfcAnswer())).read(request_of(Nic(type="bridge", vlans=tuple(range(1, 4095)))))
    (note,) = reading.notes
    assert note.startswith("4094 VLANs")
    assert len(note) < 200
    assert (reading.missing, reading.partial) == (0, False)


def test_a_vlan_that_the_fabric_does_not_have_is_missed_and_named() -> None:
    """An interface in one VLAN is promised its network; entries that could not be read are counted too."""
    answer = NdfcAnswer(vlans={100: (WEB,)}, notes=("fabric 'dc2' cannot be read: busy",), unread=1)
    nics = (Nic(type="bridge", vlans=(100,)), Nic(type="bridge", vlans=(4000,)))
    reading = Ndfc(Answered(answer)).read(request_of(*nics))
    assert (reading.missing, reading.partial) == (2, True)
    assert reading.notes == (
        "VLAN of the guests among the attached networks not found: 4000",
        "fabric 'dc2' cannot be read: busy",
    )


def test_tags_that_are_no_vlan_do_not_count() -> None:
    """0 gives a priority only and 4095 is reserved."""
    guests = request_of(Nic(type="bridge", vlans=(0, 1, 4094, 4095))).guests
    assert vlans_in_use(guests) == {1, 4094}


def test_the_last_good_answer_is_shown_with_its_age() -> None:
    """A controller that fails now costs nothing but freshness, and the reading says so."""
    source = Ndfc(Answered(NdfcAnswer(vlans={100: (WEB,)}), "the controller is busy"))
    reading = source.read(request_of(Nic(type="bridge", vlans=(100,))))
    assert len(shown(list(reading.samples), rows.NETWORK_INFO)) == 1
    assert Sample(rows.NDFC_AGE, 90.0) in reading.samples
    assert reading.notes == ("the last answer is 1 m 30 s old: the controller is busy",)
    assert reading.partial


def test_without_any_answer_there_is_nothing() -> None:
    """Before the first good answer the source fails with the reason."""
    with pytest.raises(SourceError, match="user or password is wrong"):
        Ndfc(Answered(None, "user or password is wrong")).read(request_of())


def test_without_configuration_it_is_off() -> None:
    """No controller, no series, no complaint; settling and closing do nothing."""
    source = Ndfc(None)
    source.start()
    source.settle(60.0)
    reading = source.read(request_of(Nic(type="bridge", vlans=(100,))))
    source.close()
    assert (reading.samples, reading.notes, reading.partial) == ((), (), False)
    assert reading.off == "ndfc.url is not set"


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[FakeNdfc]:
    """Return a controller with a good certificate, whose authority is in `tmp_path`."""
    keep_password(tmp_path / "password")
    with FakeNdfc(Authority.new(tmp_path).server("controller", "DNS:localhost")) as fake:
        yield fake


def test_a_collection_has_what_the_controller_said(controller: FakeNdfc, tmp_path: Path) -> None:
    """A collection by hand waits for the first answer and then has the guests' networks."""
    source = Ndfc(NdfcClient(_settings(controller, tmp_path)))
    guests = request_of(Nic(type="bridge", vlans=(2301,))).guests
    collector = Collector([source], Assembler(), Guests(lambda: guests))
    try:
        collector.start()
        collector.settle(20)
        snapshot = collector.snapshot(20).result(20)
    finally:
        collector.close()
    families = {family.metric.name: family.series for family in snapshot.families}
    assert families["hostcollector_network_info"] == {("2301", "30001", "acme-web", "acme", "dc1"): 1.0}
    assert families["hostcollector_source_up"] == {("ndfc",): 1.0}
    assert families["hostcollector_ndfc_age_seconds"].keys() == {()}


def test_a_collection_does_not_wait_for_a_controller_that_hangs(controller: FakeNdfc, tmp_path: Path) -> None:
    """The source fails at once with its reason: it is not the one that the collection waits for."""
    controller.hangs("/login")
    collector = Collector([Ndfc(NdfcClient(_settings(controller, tmp_path)))], Assembler(), Guests(dict))
    collector.start()
    try:
        snapshot = collector.snapshot(20).result(20)
    finally:
        collector.close()
    (report,) = snapshot.reports
    assert (report.state, report.notes) == (SourceState.FAILED, (f"{controller.url}: no answer yet",))


def _settings(controller: FakeNdfc, directory: Path) -> NdfcSettings:
    return NdfcSettings(
        url=controller.url,
        user="reader",
        password_file=str(directory / "password"),
        ca_file=str(directory / "authority.pem"),
        switches=("leaf1",),
    )
