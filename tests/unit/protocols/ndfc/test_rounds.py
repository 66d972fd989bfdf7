"""What a round of questions gives, and what is kept when the next one fails."""

import json
from dataclasses import replace

import pytest

from hostcollector.base.errors import Reason
from hostcollector.config.services import NdfcSettings
from hostcollector.protocols.ndfc.answers import NdfcAnswer, Placement
from tests.fakes.ndfc import BASE, VERSION, FakeNdfc
from tests.fakes.rest import PASSWORD
from tests.unit.protocols.ndfc.polling import answer_of, failure_of, polling, wait_until

FABRICS = f"{BASE}/rest/control/fabrics"
NETWORKS = f"{BASE}/rest/top-down/fabrics/dc1/networks"
ATTACHMENTS = f"{NETWORKS}/attachments"


def test_the_vlans_of_this_hosts_switches_are_read(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """A round gives what each VLAN is on the configured switch, with VNI, VRF and fabric."""
    answer = answer_of(settings)
    web_network = Placement(fabric="dc1", network="acme-web", vni=30001, vrf="acme", vrf_vni=50001)
    storage = Placement(fabric="dc1", network="storage", vni=30002)
    assert answer == NdfcAnswer(version="12.2.1.321", vlans={2301: (web_network,), 2302: (storage,)})
    assert controller.logins[0] == {"userName": "reader", "userPasswd": PASSWORD, "domain": "local"}


def test_without_switches_a_vlan_may_have_two_meanings(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """All switches count then, and both networks of a VLAN are shown."""
    controller.documents[ATTACHMENTS][1]["lanAttachList"][0] |= {"switchName": "leaf2", "vlanId": 2301}
    answer = answer_of(replace(settings, switches=()))
    assert [place.network for place in answer.vlans[2301]] == ["acme-web", "storage"]
    assert [place.network for place in answer.vlans[2401]] == ["acme-web"]


def test_only_the_configured_fabrics_are_read(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """With a list of fabrics the controller is not asked for its own."""
    assert answer_of(replace(settings, fabrics=("dc1",))).vlans
    assert controller.requests[f"{BASE}/rest/control/fabrics"] == 0
    assert "404" in str(failure_of(replace(settings, fabrics=("dc2",))))


def test_a_member_of_a_group_is_asked_through_its_primary(
    settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """The login stays with the primary, everything else goes through the member's prefix."""
    controller.documents |= {f"/onepath/west{path}": it for path, it in controller.documents.items()}
    assert answer_of(replace(settings, cluster="west")).vlans
    assert (controller.requests[NETWORKS], controller.requests[f"/onepath/west{NETWORKS}"]) == (0, 1)


def test_a_version_that_is_not_reported_costs_nothing(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """Networks are read also where the version is not."""
    controller.answers(VERSION, 404)
    answer = answer_of(settings)
    assert (answer.version, set(answer.vlans)) == ("", {2301, 2302})


@pytest.mark.parametrize("text", ["[", '"Invalid Fabric"', "null", "{}"])
def test_what_is_no_list_fails_the_round(settings: NdfcSettings, controller: FakeNdfc, text: str) -> None:
    """A document that is none, or has another shape, is malformed."""
    controller.answers(NETWORKS, 200, text=text)
    assert failure_of(settings).reason is Reason.MALFORMED


def test_a_fabric_without_networks_of_the_controllers_costs_nothing(
    settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """External fabrics are in the list and have no networks: that is a fact, and the others are read."""
    controller.documents[FABRICS].append({"fabricName": "ext1", "fabricType": "External"})
    answer = answer_of(settings)
    assert (set(answer.vlans), answer.unread) == ({2301, 2302}, 0)
    assert answer.notes[0].startswith("fabric 'ext1' has no networks of the controller's")


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, ""), (403, ""), (200, "["), (200, '{"message": "database is not ready"}'), (200, "null")],
)
def test_a_fabric_that_cannot_be_read_costs_itself(
    status: int, text: str, settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """It is counted and named with its reason; the VLANs of the others are known."""
    controller.documents[FABRICS].insert(0, {"fabricName": "dc0"})
    controller.answers(NETWORKS.replace("dc1", "dc0"), status, text=text)
    answer = answer_of(settings)
    assert (set(answer.vlans), answer.unread) == ({2301, 2302}, 1)
    assert answer.notes[0].startswith("fabric 'dc0' cannot be read: ")


def test_what_a_fabric_said_before_stays_while_it_cannot_be_read(
    settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """A VLAN that two fabrics have does not become one fabric's because the other does not answer."""
    for kind in ("networks", "vrfs", "networks/attachments"):
        path = f"{BASE}/rest/top-down/fabrics/dc1/{kind}"
        text = json.dumps(controller.documents[path])
        controller.documents[path.replace("dc1", "dc2")] = json.loads(text.replace("dc1", "dc2"))
    controller.documents[FABRICS].append({"fabricName": "dc2"})
    with polling(settings) as client:
        assert len(client.current()[0].vlans[2301]) == 2
        controller.answers(NETWORKS.replace("dc1", "dc2"), 500)
        wait_until(lambda: client.current()[0].unread == 1)
        assert len(client.current()[0].vlans[2301]) == 2
        assert client.current()[0].notes[0].endswith(" s ago stay")


@pytest.mark.parametrize("status", [404, 500])
def test_networks_are_shown_without_the_vnis_of_their_vrfs(
    status: int, settings: NdfcSettings, controller: FakeNdfc
) -> None:
    """The list of VRFs adds one number: where there is none, the rest is read; a failure costs the fabric."""
    controller.answers(NETWORKS.replace("networks", "vrfs"), status)
    if status == 404:
        (placement,) = answer_of(settings).vlans[2301]
        assert (placement.network, placement.vrf_vni) == ("acme-web", None)
    else:
        assert "500" in str(failure_of(settings))


def test_a_failure_inside_a_success_fails_the_round(settings: NdfcSettings, controller: FakeNdfc) -> None:
    """What the controller says inside its 200 is passed on; nothing half-read is shown."""
    controller.documents[ATTACHMENTS] = {"status": "fail", "message": "database is not ready"}
    error = failure_of(settings)
    assert (error.reason, "database is not ready" in str(error)) == (Reason.MALFORMED, True)
