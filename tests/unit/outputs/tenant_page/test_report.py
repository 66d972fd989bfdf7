"""What `diagnose` says about the tenant page."""

from dataclasses import replace
from pathlib import Path

from hostcollector.base.model import Snapshot, Tenant
from hostcollector.catalogue import cpu
from hostcollector.outputs.tenant_page.report import lines
from tests.fakes.tenants import NOW, TenantHost, customer, small

ACME, GLOBEX = customer(1, "acme"), customer(2, "not/fit")


def both(directory: Path) -> tuple[TenantHost, Snapshot]:
    """Return a host with a guest of a tenant and one whose tenant has an odd id, and its snapshot."""
    made = [small(known, {cpu.VCPU_TIME: {("0",): 1.0}}) for known in (ACME, GLOBEX)]
    families = tuple(family for one in made for family in one.families)
    merged = {family.metric: family for family in families}
    for family in families:
        series = {**merged[family.metric].series, **family.series}
        merged[family.metric] = replace(family, series=series)
    guests = (ACME, GLOBEX)
    present = {known.domain.uuid: known.domain for known in guests}
    snapshot = Snapshot(taken_at=NOW, families=tuple(merged.values()), guests=guests)
    return TenantHost(directory, present=present), snapshot


def test_it_counts_vms_and_names_those_that_are_not_on_the_page(tmp_path: Path) -> None:
    """Each guest that is not on the page is named with the reason."""
    host, snapshot = both(tmp_path)
    found = list(lines(host.page, snapshot, served=True))
    assert found[0].startswith("Tenant page /tenants/metrics: 1 VM of 1 tenant, ")
    assert found[1].startswith("  x: its tenant's id has another form than ")
    assert found[-1] == "  `hostcollector collect --tenant ID` prints what a tenant sees"
    assert "is false" not in found[0]
    assert "tenants.page is false" in next(lines(host.page, snapshot, served=False))


def test_a_name_cannot_move_the_cursor(tmp_path: Path) -> None:
    """Names are escaped, as everywhere in a terminal."""
    host, snapshot = both(tmp_path)
    hostile = replace(GLOBEX, domain=replace(GLOBEX.domain, name="a\x1b[2Jb"))
    host.present[hostile.domain.uuid] = hostile.domain
    text = "\n".join(lines(host.page, replace(snapshot, guests=(ACME, hostile)), served=True))
    assert "\x1b" not in text
    assert r"a\x1b[2Jb" in text


def test_without_any_tenant_it_says_why(tmp_path: Path) -> None:
    """A host whose resolvers know no guest has an empty page."""
    host, snapshot = both(tmp_path)
    unassigned = tuple(replace(known, tenant=Tenant()) for known in snapshot.guests)
    found = list(lines(host.page, replace(snapshot, guests=unassigned), served=True))
    assert found[0].startswith("Tenant page /tenants/metrics: 0 VMs of 0 tenants, 0 series")
    assert found[1:] == ["  x, x: no resolver knows its tenant"]
