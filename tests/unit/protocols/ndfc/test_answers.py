"""What the fabric controller's documents mean, whatever shape they have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import Gaps
from hostcollector.protocols.ndfc import answers
from hostcollector.protocols.ndfc.answers import Attachment, Network, Placement
from hostcollector.protocols.ndfc.paths import DCNM, LONGEST_NAME_LIST, NDFC, of_cluster
from tests.fakes.ndfc import attachment, network, vrf

_KEYS = st.sampled_from(
    (
        *("networkName", "networkId", "networkTemplateConfig", "vrf", "vrfName", "vrfId", "message"),
        *("lanAttachList", "vlanId", "isLanAttached", "lanAttachState", "portNames", "switchName"),
    )
)
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


def attached(*ports: dict[str, object], switches: tuple[str, ...] = ()) -> list[Attachment]:
    """Return what is attached according to one network's list."""
    return list(answers.attachments([{"networkName": "web", "lanAttachList": list(ports)}], switches, Gaps()))


def test_numbers_are_read_as_numbers_and_as_text() -> None:
    """A VNI is the same whether the controller writes it as a number or as text."""
    found = answers.networks([network("a", 30001, "acme"), network("b", "30002", "acme")], Gaps())
    assert found == {
        "a": Network(name="a", vni=30001, vrf="acme"),
        "b": Network(name="b", vni=30002, vrf="acme"),
    }


def test_what_an_entry_lacks_is_taken_from_the_json_inside() -> None:
    """VNI and VRF are also in the template's configuration, which is JSON in a string."""
    entry = {"networkName": "a", "networkTemplateConfig": '{"segmentId":"30001","vrfName":"acme"}'}
    assert answers.networks([entry], Gaps()) == {"a": Network(name="a", vni=30001, vrf="acme")}


@pytest.mark.parametrize("template", ["{", "[]", "7", None, "[" * 100_000, {"segmentId": True}])
def test_a_template_that_cannot_be_read_costs_what_is_in_it(template: object) -> None:
    """A network with a broken template is known still, without what only the template says."""
    found = answers.networks([{"networkName": "a", "networkTemplateConfig": template}], Gaps())
    assert found == {"a": Network(name="a")}


def test_a_network_without_routing_has_no_vrf() -> None:
    """The controller writes NA for none."""
    assert answers.networks([network("a", 30001, "NA")], Gaps())["a"].vrf == ""


def test_vrfs_have_their_vni() -> None:
    """The layer 3 VNI is the VRF's id."""
    assert answers.vrf_vnis([vrf("acme", 50001), {"vrfName": "none"}], Gaps()) == {"acme": 50001}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"status": "fail", "message": "Invalid Fabric: dc1"}, "Invalid Fabric: dc1"),
        ({"errorMessage": "session limit"}, "session limit"),
        ("Invalid JSON response", "Invalid JSON response"),
        ({}, "something else"),
        (None, "something else"),
        ([1, 2], "something else"),
    ],
)
def test_a_failure_in_place_of_a_list_is_a_failure(document: Any, said: str) -> None:
    """What answers with success and without a list has failed, and says why if it says so."""
    for read in (answers.networks, answers.vrf_vnis, answers.fabric_names):
        with pytest.raises(SourceMalformedError, match=said):
            read(document, Gaps())


@given(st.lists(st.sampled_from(("a", "b", "c")), unique=True), st.integers(0, 3), NESTED)
def test_one_bad_entry_among_good_ones_loses_only_itself(names: list[str], place: int, bad: Any) -> None:
    """Whatever is among the entries of a list, the other networks, VRFs and attachments are read."""
    networks = [network(name, 30000 + number, "acme") for number, name in enumerate(names)]
    expected = answers.networks(networks, Gaps())
    gaps = Gaps()
    if names:
        found = answers.networks([*networks[:place], bad, *networks[place:]], gaps)
        assert {name: found[name] for name in names} == expected or isinstance(bad, dict)
    ports = [{"networkName": name, "lanAttachList": [attachment(name, "leaf1", 7)]} for name in names]
    mixed = [*ports[:place], {"networkName": "x", "lanAttachList": bad}, *ports[place:]]
    attached = list(answers.attachments(mixed, ("leaf1",), gaps))
    assert [each.network for each in attached if each.network in names] == names


def test_an_entry_that_is_none_is_counted_and_named() -> None:
    """It costs itself, and the note says where it is."""
    gaps = Gaps()
    assert list(answers.networks([network("a", 30001, "acme"), None, 7], gaps)) == ["a"]
    assert gaps.count == 2
    (note,) = gaps.notes
    assert note.startswith("the list of networks: entry 1, the list of networks: entry 2 cannot be read")


def test_a_network_that_is_called_after_a_failure_is_a_network() -> None:
    """Words inside a list are data, not the controller's verdict."""
    assert list(answers.networks([network("failover", 30001, "fail")], Gaps())) == ["failover"]


def test_attachments_are_those_of_the_switches_of_this_host() -> None:
    """The same network has another VLAN on another switch; only the host's own switches count."""
    ports = (attachment("web", "leaf1", 2301), attachment("web", "leaf2", 2401))
    assert [found.vlan for found in attached(*ports, switches=("leaf1",))] == [2301]
    assert [found.vlan for found in attached(*ports, switches=("SN-leaf2", "leaf9"))] == [2401]
    assert [found.vlan for found in attached(*ports)] == [2301, 2401]


def test_a_tor_is_found_among_the_ports_of_its_leaf() -> None:
    """A host behind a ToR switch is attached where the leaf's ports name that ToR."""
    port = attachment("web", "leaf1", 2301, portNames="leaf1(Ethernet1/13,Ethernet1/14) tor7(Ethernet1/12)")
    assert attached(port, switches=("tor7",)) == [Attachment(network="web", vlan=2301, fabric="dc1")]
    assert attached(port, switches=("tor",)) == []


@pytest.mark.parametrize(
    "more",
    [
        {"isLanAttached": False},
        {"isLanAttached": "false"},
        {"isLanAttached": None},
        {"lanAttachState": "NA"},
        {"vlanId": None},
        {"vlanId": "None"},
        {"vlanId": ""},
        {"vlanId": 0},
        {"vlanId": 4095},
        {"vlanId": True},
        {"vlanId": "2301x"},
        {"vlanId": -1},
    ],
)
def test_what_is_not_attached_in_a_vlan_is_left_out(more: dict[str, object]) -> None:
    """No attachment is made up from an entry that is detached or names no VLAN."""
    assert attached(attachment("web", "leaf1", 2301) | more) == []


def test_a_placement_belongs_to_the_fabric_that_its_attachment_names() -> None:
    """A parent of several fabrics lists the attachments of its members under their own names."""
    known = {"web": Network(name="web", vni=30001, vrf="acme")}
    ports = [
        Attachment(network="web", vlan=1, fabric="member"),
        Attachment(network="web", vlan=2),
        Attachment(network="other", vlan=3),
    ]
    member, parent = answers.placements("parent", known, {"acme": 50001}, ports)
    assert member == (1, Placement(fabric="member", network="web", vni=30001, vrf="acme", vrf_vni=50001))
    assert (parent[0], parent[1].fabric) == (2, "parent")


@given(NESTED)
def test_no_document_breaks_the_reading(document: Any) -> None:
    """Whatever comes is read or refused with the error for it, and never makes up a VLAN out of range."""
    for read in (answers.fabric_names, answers.networks, answers.vrf_vnis):
        try:
            read(document, Gaps())
        except SourceMalformedError as error:
            assert "in place of" in str(error)  # noqa: PT017 - either way is right
    try:
        assert all(1 <= found.vlan <= 4094 for found in answers.attachments(document, (), Gaps()))
    except SourceMalformedError as error:
        assert "in place of" in str(error)  # noqa: PT017 - either way is right


def test_names_cannot_break_out_of_their_path() -> None:
    """Names are quoted, also in a list."""
    assert NDFC.networks("a/../b?c").endswith("/fabrics/a%2F..%2Fb%3Fc/networks")
    (path,) = NDFC.attachments("dc1", ["x&y", "a,b"])
    assert path.endswith("network-names=x%26y,a%2Cb")


def test_many_names_are_asked_in_several_questions() -> None:
    """An address stays short enough for every proxy, and each name is asked once."""
    names = [f"network-{number:04d}" for number in range(1000)]
    paths = list(NDFC.attachments("dc1", names))
    asked = [name for path in paths for name in path.partition("network-names=")[2].split(",")]
    assert asked == names
    assert max(map(len, paths)) < LONGEST_NAME_LIST + 200
    assert list(NDFC.attachments("dc1", [])) == []


@pytest.mark.parametrize(
    ("version", "prefix"),
    [
        ("12.2.1.321", "/onepath/b%20c"),
        ("12.4.0.1", "/fedproxy/b%20c"),
        ("13.0", "/fedproxy/b%20c"),
        ("", "/onepath"),
    ],
)
def test_a_member_of_a_group_of_clusters_is_reached_through_a_prefix(version: str, prefix: str) -> None:
    """The prefix depends on the version; without a member there is none."""
    assert of_cluster(NDFC, "b c", version).fabrics.startswith(prefix)
    assert of_cluster(NDFC, "", version) is NDFC


def test_dcnm_has_the_same_paths_without_the_prefix() -> None:
    """The generation before NDFC answers at its root."""
    assert DCNM.networks("dc1") == "/rest/top-down/fabrics/dc1/networks"
