"""With a real VF and a display on vfio-pci, their series follow them and say what the kernel says."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hostcollector.catalogue import vf as rows
from hostcollector.catalogue.rows import Twin
from tests.lab.served import Page, parse
from tests.lab.sriov.findings import Findings
from tests.lab.sriov.machine import SECONDS, SECONDS_TO_BOOT, run_once

# The first test waits for the whole run: a minute or so, more where the parts have to be downloaded first.
pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(SECONDS + 2 * SECONDS_TO_BOOT)]

GUEST, HOST = "libvirt_domain_vf", "hostcollector_host_vf"
TENANTS = {"first": "acme", "second": "globex", "third": "initech"}
OWNERS = {"boot": "first", "end": None, "plug": "second", "unplug": None, "another": "third"}
LINK_STATES = {"auto": 0.0, "enable": 1.0, "disable": 2.0}
BYTES_PER_MBIT = 125_000.0


@pytest.fixture(scope="module")
def findings() -> Findings:
    """Give what was seen on the emulated hypervisor; one run serves all tests."""
    return run_once()


@pytest.fixture(params=OWNERS)
def moment(request: pytest.FixtureRequest) -> str:
    """Give one moment after the other."""
    return str(request.param)


def test_the_kernel_has_two_vfs_and_vfio_holds_the_owned_one(findings: Findings, moment: str) -> None:
    """The card is split in two; VF 0 is bound to vfio-pci while a guest has it, VF 1 stays with the host."""
    assert set(findings.vfs) == {"0", "1"}
    driver = "vfio-pci" if OWNERS[moment] else "igbvf"
    assert findings.moments[moment].drivers == {"0": driver, "1": "igbvf"}


def test_series_follow_the_vf_from_tenant_to_tenant(findings: Findings, moment: str) -> None:
    """Every series of VF 0 is its owner's with the tenant, or the host's; VF 1 is always the host's."""
    seen: dict[str, set[tuple[str, ...]]] = {"0": set(), "1": set()}
    for labels in _vf_series(_page(findings, moment)):
        owner = (labels["domain"], labels["uuid"], labels["tenant"]) if "uuid" in labels else ()
        assert (labels["pf"], labels["pci_address"]) == (findings.pf, findings.vfs[labels["vf"]])
        seen[labels["vf"]].add(owner)
    name = OWNERS[moment]
    assert seen == {"0": {_owner(findings, name) if name else ()}, "1": {()}}


def test_the_info_series_describes_the_vf(findings: Findings, moment: str) -> None:
    """It names guest, PF, number, address, drivers, MAC and VLAN as the kernel and `ip` do."""
    page, seen = _page(findings, moment), findings.moments[moment]
    for vf, address in findings.vfs.items():
        name = OWNERS[moment] if vf == "0" else None
        (labels,) = page.all(f"{GUEST if name else HOST}_info", vf=vf)
        owner = dict(zip(("domain", "uuid", "tenant"), _owner(findings, name), strict=True)) if name else {}
        assert dict(labels) == owner | {
            "pf": findings.pf,
            "vf": vf,
            "pci_address": address,
            "mac": seen.link[vf]["address"],
            "vlan": str(_vlan(seen.link[vf]).get("vlan", 0)),
            "driver": seen.drivers[vf],
            "pf_driver": "igb",
            "pf_pci_address": findings.pf_address,
            "ib_device": "",
        }


def test_the_configuration_is_what_ip_says_and_there_are_no_counters(findings: Findings, moment: str) -> None:
    """The settings of each VF are those of `ip -details link`; igb counts nothing, so no counter is shown."""
    page = _page(findings, moment)
    for vf, shown in findings.moments[moment].link.items():
        prefix = GUEST if vf == "0" and OWNERS[moment] else HOST
        found = {
            twin.key: page.one(metric.name, vf=vf)
            for twin in vars(rows).values()
            if isinstance(twin, Twin) and twin is not rows.INFO
            if page.all((metric := twin.guest if prefix == GUEST else twin.host).name, vf=vf)
        }
        assert found == _settings(shown)


def test_a_guest_on_a_vf_without_its_guards_is_seen(findings: Findings) -> None:
    """Trust and a switched-off spoof check outlive the guest that got them and show as the next one's."""
    drift = {
        moment: {
            dict(labels)["rule"]
            for labels, value in _page(findings, moment).all("libvirt_domain_vf_policy_drift").items()
            if value
        }
        for moment in OWNERS
    }
    assert drift == {
        "boot": set(),
        "end": set(),
        "plug": {"trust_on", "spoof_check_off"},
        "unplug": set(),
        "another": {"trust_on", "spoof_check_off", "vlan_0"},
    }


def test_the_card_says_that_its_driver_does_not_count(findings: Findings) -> None:
    """The page has the card with two VFs and no support for counters, and `diagnose` gives the reason."""
    page = _page(findings, "boot")
    assert page.one("hostcollector_host_pf_vfs", pf=findings.pf) == 2
    assert page.one("hostcollector_host_pf_vf_counters_supported", pf=findings.pf) == 0
    assert page.one("hostcollector_host_vf_info_truncated", pf=findings.pf) == 0
    card = f"{findings.pf} ({findings.pf_address}, igb): 2 VFs, 1 owned by guests; "
    assert f"{card}no traffic counters: the driver igb does not count per VF" in findings.diagnose


def test_a_passed_through_display_is_its_guests_gpu(findings: Findings) -> None:
    """While a guest has it, it is that guest's, with what sysfs shows of it; no host series is left of it."""
    page, shown = _page(findings, "boot"), findings.moments["boot"].display
    owner = dict(zip(("domain", "uuid", "tenant"), _owner(findings, "first"), strict=True))
    (gpu,) = page.all("libvirt_domain_gpu_info")
    assert dict(gpu) == owner | {
        "gpu": findings.display,
        "pci_address": findings.display,
        "vendor": shown["vendor"],
        "model": shown["device"],
        "numa_node": shown["numa_node"].replace("-1", ""),
        "mode": "passthrough",
    }
    (pci,) = page.all("libvirt_domain_pci_info", pci_address=findings.display)
    reported = {key: dict(pci)[key] for key in ("driver", "iommu_group", "reset_method", "upstream_port")}
    assert reported == {
        "driver": "vfio-pci",
        "iommu_group": shown["iommu_group"],
        "reset_method": shown.get("reset_method", ""),
        "upstream_port": shown["port"],
    }
    assert shown["driver"] == "vfio-pci"
    assert page.one("libvirt_domain_pci_power_state_id", pci_address=findings.display) == 0
    seen = {
        dict(labels)["source"]: value for labels, value in page.all("libvirt_domain_gpu_observable").items()
    }
    assert seen == {"vfio": 1, "redfish": 0}
    assert not page.all("hostcollector_host_gpu_info")
    assert f"{findings.display}  {shown['vendor']}" in findings.diagnose
    assert "set redfish.url" in findings.diagnose


def test_a_display_that_comes_back_is_the_hosts(findings: Findings) -> None:
    """When its guest has ended it has no tenant any more, and the series of the guest are gone."""
    page = _page(findings, "end")
    (gpu,) = page.all("hostcollector_host_gpu_info")
    assert dict(gpu)["pci_address"] == findings.display
    assert findings.moments["end"].display["driver"] == ""
    assert not page.all("libvirt_domain_gpu_info")
    assert not page.all("libvirt_domain_pci_info", pci_address=findings.display)


def _page(findings: Findings, moment: str) -> Page:
    return parse(findings.moments[moment].page)


def _vf_series(page: Page) -> Iterator[dict[str, str]]:
    for name, labels in page.series:
        if name.startswith((GUEST, HOST)) and "vf" in dict(labels):
            yield dict(labels)


def _owner(findings: Findings, name: str) -> tuple[str, ...]:
    return name, findings.guests[name], TENANTS[name]


def _vlan(shown: Mapping[str, Any]) -> Mapping[str, int]:
    """Return the VF's first VLAN; an empty one for none."""
    vlans: list[dict[str, int]] = shown["vlan_list"]
    return vlans[0]


def _settings(shown: Mapping[str, Any]) -> dict[str, float]:
    """Return what the page should show of a VF, by the catalogue's keys, from what `ip` shows."""
    vlan, limit = _vlan(shown), shown["rate"]["max_tx"]
    priority = {"vlan_priority": float(vlan.get("qos", 0))} if vlan else {}
    limited = {"transmit_limit_bytes_per_second": limit * BYTES_PER_MBIT} if limit else {}
    return {
        "vlan": float(vlan.get("vlan", 0)),
        "link_state": LINK_STATES[shown["link_state"]],
        "spoof_check": float(shown["spoofchk"]),
        "trust": float(shown["trust"]),
        **priority,
        **limited,
    }
