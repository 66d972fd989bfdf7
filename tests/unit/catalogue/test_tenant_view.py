"""What tenants see is a promise: names, labels and values of the tenant page, and what stays private."""

import re

import pytest

from hostcollector import catalogue
from hostcollector.base.model import TENANT_LABELS, Kind, Metric, Neighbours, Scope, TenantView
from hostcollector.catalogue import vm_labels
from hostcollector.catalogue.possible import FLAG

SHOWN = [(row, row.tenant) for row in catalogue.ALL if row.tenant is not None]
UNITS = ("bytes", "seconds", "joules", "watts", "celsius", "hertz", "ratio")
BY_DEFINITION = {"vm_disk_info", "vm_network_info"}
"""Families that are made from the guest's definition alone."""

OF_OPERATORS = {"domain", "uuid", "host", "instance", "target_device", "mac", "serial", "pci_address", "vlan"}


def test_a_row_is_private_by_default() -> None:
    """A new row has no tenant view; neither has any row of the host."""
    row = Metric(name="libvirt_domain_new", kind=Kind.GAUGE, can_be=FLAG, help="New.", source="procfs")
    assert row.tenant is None
    assert [row.name for row, _ in SHOWN if row.scope is not Scope.DOMAIN] == []


def test_every_view_leads_to_a_row_of_tenants() -> None:
    """Each view points at a row of `vm`, and each of these is made from a row or from the definition."""
    seen = {view.family for _, view in SHOWN}
    assert seen <= set(catalogue.OF_TENANTS)
    assert {row.name for row in set(catalogue.OF_TENANTS) - seen} == BY_DEFINITION


@pytest.mark.parametrize(("row", "view"), SHOWN, ids=[row.name for row, _ in SHOWN])
def test_a_view_has_a_value_for_each_label(row: Metric, view: TenantView) -> None:
    """The labels of a view and its fixed ones are those of the family, and exist in the row.

    A family that describes is joined from several rows: each gives some of its labels.
    """
    given = {*view.labels, *view.fixed}
    assert given <= set(view.family.labels)
    assert view.family.kind is Kind.INFO or given == set(view.family.labels)
    assert {*view.labels.values(), *view.where} <= set(row.labels)
    assert not {*view.labels} & {*view.fixed}


@pytest.mark.parametrize(("row", "view"), SHOWN, ids=[row.name for row, _ in SHOWN])
def test_only_strong_rows_move_in_steps(row: Metric, view: TenantView) -> None:
    """A row that moves strongly with neighbours is a counter with a step; no other row has one."""
    strong = view.neighbours is Neighbours.STRONG
    assert (view.step > 0) == strong, row.name
    assert not strong or view.family.kind is Kind.COUNTER


def test_every_label_has_its_values() -> None:
    """Each label of each row has a pattern, and no pattern allows what can break a page or name a place."""
    names = {name for row in catalogue.OF_TENANTS for name in row.label_names}
    assert names == set(vm_labels.LABELS)
    assert names.isdisjoint(OF_OPERATORS)
    for name, pattern in vm_labels.LABELS.items():
        for hostile in (
            'a"b',
            "a\nb",
            "\N{GREEK SMALL LETTER ALPHA}",
            "a\\b",
            "{}",
            "/var/lib",
            "de:ad:be:ef",
        ):
            assert re.fullmatch(pattern, hostile) is None or (name, hostile) == ("model", "/var/lib"), name


def test_names_of_tenants() -> None:
    """Names begin with vm_, end in _total for counters, in _info for descriptions, and in their unit."""
    for row in catalogue.OF_TENANTS:
        assert re.fullmatch(r"vm(_[a-z0-9]+)+", row.name)
        assert row.scope is Scope.VM
        assert row.label_names == (*TENANT_LABELS, *row.labels)
        assert (row.kind is Kind.COUNTER) == row.name.endswith("_total")
        assert (row.kind is Kind.INFO) == row.name.endswith("_info")
        name = row.name.removesuffix("_total")
        assert row.unit == next((unit for unit in UNITS if name.endswith(f"_{unit}")), "") or (
            name.endswith("_bytes_per_second") and not row.unit
        )
    assert len({row.name for row in catalogue.OF_TENANTS}) == len(catalogue.OF_TENANTS)
    assert not {row.name for row in catalogue.OF_TENANTS} & set(catalogue.BY_NAME)
