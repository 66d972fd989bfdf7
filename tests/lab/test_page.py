"""The page of a real hypervisor is one that Prometheus and its clients read without a complaint."""

import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.lab.fixtures import BootAll
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import nova, own_tenant
from tests.lab.served import Page, Served, parse, serving
from tests.lab.workload import Workload

pytestmark = pytest.mark.lab

DURATION = "hostcollector_collection_duration_seconds"
HOSTILE = 'say "hi"\\ {to=<me>}'
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def _both_formats(served: Served) -> tuple[Page, str]:
    """Return one collection as text and as OpenMetrics, recognised by how long it took."""
    request = urllib.request.Request(f"{served.url}/metrics", headers=OPENMETRICS)
    found: list[str] = []

    def same(page: Page) -> bool:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found[:] = [answer.read().decode()]
        return f"{DURATION} {page.one(DURATION)!r}\n" in found[0]

    return served.page_where(same, "both formats of one collection"), found[0]


def test_a_real_page_is_read_by_every_parser(
    boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """The linter is silent, both of prometheus_client's parsers see the same series, none of them twice."""
    guests = boot_all(
        [
            Guest(name="page-own", metadata=own_tenant("acme", HOSTILE), title=HOSTILE, workload=Workload()),
            Guest.idle(
                "page-nova", metadata=nova(project_id="p1", project_name=HOSTILE, instance_name=HOSTILE)
            ),
            Guest.idle("page-unowned"),
        ]
    )
    guests[0].account()
    with serving(hypervisor.uri_readonly, tmp_path) as served:
        page, openmetrics = _both_formats(served)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page.text, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    families = list(text_string_to_metric_families(openmetrics))  # type: ignore[no-untyped-call]
    series = {
        (sample.name, frozenset(sample.labels.items())) for family in families for sample in family.samples
    }
    text = set(parse(page.text).series)
    assert series ^ text == set()
    assert page.one("libvirt_domain_tenant_info", domain="page-own", tenant_name=HOSTILE) == 1
    assert page.one("libvirt_domain_openstack_info", tenant="p1", instance_name=HOSTILE) == 1
    assert page.one("hostcollector_domains_unassigned") >= 1
