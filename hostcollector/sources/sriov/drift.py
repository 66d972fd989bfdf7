"""Judges whether a guest's VF is still configured as isolation between tenants wants it."""

from collections.abc import Iterator

from hostcollector.protocols.netlink.vf_list import ListedVf

TRUST_ON, SPOOF_CHECK_OFF, VLAN_0 = "trust_on", "spoof_check_off", "vlan_0"
LINK_FORCED_UP, MAC_DIFFERS = "link_forced_up", "mac_differs"

RULES = (TRUST_ON, SPOOF_CHECK_OFF, VLAN_0, LINK_FORCED_UP, MAC_DIFFERS)
"""Every rule, as the `rule` label has it."""

_LINK_ENABLED = 1


def judge(vf: ListedVf, mac: str, *, ipoib: bool) -> Iterator[tuple[str, bool]]:
    """Yield each rule that can be judged, and whether the VF breaks it.

    `mac` is the address that the guest's definition gives to the VF, if it gives one. An IPoIB link says
    nothing about trust, spoof checking, VLANs and addresses of its VFs.
    """
    if vf.link_state is not None:
        yield LINK_FORCED_UP, vf.link_state == _LINK_ENABLED
    if ipoib:
        return
    if vf.trust is not None:
        yield TRUST_ON, vf.trust
    if vf.spoof_check is not None:
        yield SPOOF_CHECK_OFF, not vf.spoof_check
    if vf.vlan is not None:
        yield VLAN_0, vf.vlan == 0
    if mac and vf.mac is not None:
        yield MAC_DIFFERS, vf.mac != mac
