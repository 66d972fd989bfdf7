"""What tenants see, as text, and the allow-list of the tenant store."""

import importlib.resources
import json
import re

import yaml

from hostcollector import catalogue
from hostcollector.catalogue import vm_labels
from hostcollector.outputs.tenant_table import TenantFormat, render
from tests.places import REPOSITORY


def passes(labels: dict[str, str]) -> dict[str, str] | None:
    """Return what Prometheus' relabelling leaves of a series by the allow-list; None for nothing.

    An account of its own of the two actions: `keep` compares whole values, `labelkeep` whole names.
    """
    left = dict(labels)
    for rule in yaml.safe_load(render(TenantFormat.RELABEL)):
        if rule["action"] == "keep":
            value = ";".join(left.get(name, "") for name in rule["source_labels"])
            if not re.fullmatch(rule["regex"], value):
                return None
        else:
            assert rule["action"] == "labelkeep"
            left = {name: value for name, value in left.items() if re.fullmatch(rule["regex"], name)}
    return left


SERIES = {
    "__name__": "vm_cpu_seconds_total",
    "tenant": "acme",
    "vm": "11111111-1111-4111-8111-111111111111",
    "vcpu": "0",
}


def test_the_allow_list_keeps_series_of_the_catalogue() -> None:
    """A series of the tenant page passes as it is; what a scraper adds to it is taken off."""
    assert passes(SERIES) == SERIES
    assert passes({**SERIES, "instance": "hv-17:10177", "job": "tenants", "rack": "b4"}) == SERIES


def test_the_allow_list_keeps_nothing_else() -> None:
    """Other names, no tenant, a tenant that is none, and values that the catalogue does not know are gone."""
    for change in (
        {"__name__": "up"},
        {"__name__": "libvirt_domain_vcpu_time_seconds_total"},
        {"__name__": "vm_cpu_seconds_total_more"},
        {"tenant": ""},
        {"tenant": "a/b"},
        {"vm": "web"},
        {"vcpu": "0-3"},
        {"state": "/var/lib/libvirt"},
    ):
        assert passes({**SERIES, **change}) is None, change


def test_json_has_names_labels_and_values() -> None:
    """The JSON is the contract for the store and the gateway: every row, and the values of every label."""
    found = json.loads(render(TenantFormat.JSON))
    assert [row["name"] for row in found["metrics"]] == [row.name for row in catalogue.OF_TENANTS]
    assert [tuple(row["labels"]) for row in found["metrics"]] == [
        row.label_names for row in catalogue.OF_TENANTS
    ]
    assert found["labels"] == vm_labels.LABELS
    steps = {row["name"]: row["step"] for row in found["metrics"] if row["neighbours"] == "strong"}
    assert steps == {
        "vm_cpu_wait_seconds_total": 0.6,
        "vm_gpu_nvlink_receive_bytes_total": 2**30,
        "vm_gpu_nvlink_transmit_bytes_total": 2**30,
    }


def test_the_table_has_every_row() -> None:
    """The list for a terminal has each row with its labels."""
    text = render(TenantFormat.TABLE)
    for row in catalogue.OF_TENANTS:
        assert f"{row.name}{{{','.join(row.label_names)}}}\n" in text


def test_the_package_has_the_current_list() -> None:
    """TENANT_METRICS.md is what `hostcollector metrics --tenant --format markdown` prints."""
    text = importlib.resources.files("hostcollector").joinpath("TENANT_METRICS.md").read_text()
    assert text == render(TenantFormat.MARKDOWN)


def test_the_role_of_the_store_has_the_current_allow_list() -> None:
    """The role's file is what `hostcollector metrics --tenant --format relabel` prints (make metrics)."""
    file = REPOSITORY / "ansible/roles/tenant_store/files/allow-list.yml"
    assert file.read_text() == render(TenantFormat.RELABEL)
