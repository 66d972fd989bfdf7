"""Turns what is known of one VF into samples: its guest's if it has an owner, the host's if it has none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.base.model import Metric, Sample
from hostcollector.base.units import bytes_from_mbit
from hostcollector.catalogue import vf as rows
from hostcollector.devices.owners import Owner
from hostcollector.protocols.netlink.vf_list import ListedVf
from hostcollector.sources.sriov import drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One VF with all that was found out about it.

    `labels` are PF, number and PCI address; `mac` is what the owner's definition gives to the VF; `counters`
    are relative to the owner's start; `driver` is the VF's own, the rest describes its PF.
    """

    labels: tuple[str, str, str]
    owner: Owner
    mac: str
    listed: ListedVf | None
    ipoib: bool
    counters: Mapping[str, float]
    guids: tuple[str, str]
    driver: str
    pf_driver: str
    pf_address: str
    ib_device: str


def samples_of(vf: Described) -> Iterator[Sample]:
    """Yield the samples of one VF."""
    uuid, labels = vf.owner.uuid, vf.labels
    family = rows.GUEST if uuid else rows.HOST
    for name, value in vf.counters.items():
        yield Sample(family[name], value, labels, uuid)
    mac = vlan = ""
    if vf.listed is not None:
        yield from _settings(vf.listed, family, labels, uuid, ipoib=vf.ipoib)
        if not vf.ipoib:
            # What the card lists a guest can change as often as it likes, and each change were new series.
            mac = vf.mac if uuid else vf.listed.mac or ""
            vlan = "" if vf.listed.vlan is None else str(vf.listed.vlan)
        if uuid:
            for rule, broken in drift.judge(vf.listed, vf.mac, ipoib=vf.ipoib):
                yield Sample(rows.POLICY_DRIFT, float(broken), (*labels, rule), uuid)
    about = (mac, vlan, vf.driver, vf.pf_driver, vf.pf_address, vf.ib_device)
    yield Sample(family["info"], 1.0, labels + about, uuid)
    if any(vf.guids):
        yield Sample(family["infiniband_info"], 1.0, labels + vf.guids, uuid)


def _settings(
    listed: ListedVf, family: Mapping[str, Metric], labels: tuple[str, ...], uuid: str, *, ipoib: bool
) -> Iterator[Sample]:
    """Yield the VF's configuration as far as the driver tells it; of an IPoIB link only the link state."""
    if listed.link_state is not None:
        yield Sample(family["link_state"], listed.link_state, labels, uuid)
    if ipoib:
        return
    if listed.vlan is not None:
        yield Sample(family["vlan"], listed.vlan, labels, uuid)
        if listed.vlan and listed.qos is not None:
            yield Sample(family["vlan_priority"], listed.qos, labels, uuid)
    if listed.spoof_check is not None:
        yield Sample(family["spoof_check"], float(listed.spoof_check), labels, uuid)
    if listed.trust is not None:
        yield Sample(family["trust"], float(listed.trust), labels, uuid)
    if listed.max_rate:
        limit = bytes_from_mbit(listed.max_rate)
        yield Sample(family["transmit_limit_bytes_per_second"], limit, labels, uuid)
    if listed.min_rate:
        guarantee = bytes_from_mbit(listed.min_rate)
        yield Sample(family["transmit_guarantee_bytes_per_second"], guarantee, labels, uuid)
