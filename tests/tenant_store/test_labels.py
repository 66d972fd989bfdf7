"""Whatever labels operators put on targets and agents, the store has the label names of the catalogue."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector import catalogue
from tests.lab.process import until
from tests.tenant_store.page import served
from tests.tenant_store.region import Region, rendered

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

VM = "4be0c2a8-6d35-4b3f-8a53-0d1c9f5b0d11"
GOOD = f'vm_disk_read_bytes_total{{tenant="a",vm="{VM}",disk="0"}} 1'
HOSTILE = (
    f'vm_disk_read_bytes_total{{tenant="",vm="{VM}",disk="0"}} 1',
    f'vm_disk_read_bytes_total{{vm="{VM}",disk="1"}} 1',
    'vm_disk_read_bytes_total{tenant="a",vm="hv-1",disk="0"} 1',
    f'vm_disk_read_bytes_total{{tenant="a",vm="{VM}",disk="/srv/secret"}} 1',
    f'vm_unknown_bytes{{tenant="a",vm="{VM}"}} 1',
    f'libvirt_domain_info_vstate{{tenant="a",vm="{VM}",domain="secret"}} 1',
    'hostcollector_host_domains{tenant="a"} 1',
)
TARGET_LABELS = {
    "instance": "hv-secret",
    "rack": "rack-secret",
    "tenant": "b",
    "vm": "11111111-1111-4111-8111-111111111111",
    "disk": "7",
    "nic": "7",
    "__meta_secret": "secret",
}


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Give a store that two agents fill from one page, with labels of every kind on targets and agents."""
    directory = tmp_path_factory.mktemp("labels")
    hurried = {"tenant_store_scrape_interval": "1s", "tenant_store_scrape_timeout": "1s"}
    with rendered(directory, {"hv-1": "127.0.0.1"}, **hurried) as region, served(region.pki) as page:
        page.more = "".join(f"{line}\n" for line in (GOOD, *HOSTILE))
        target = {"targets": [f"127.0.0.1:{page.port}"], "labels": TARGET_LABELS}
        (directory / "etc/targets.yml").write_text(json.dumps([target]))
        region.start("tenant-store")
        region.start_front()
        region.start("tenant-agent", "-remoteWrite.label=replica=agent-secret")
        region.start_second_agent("-remoteWrite.label=replica=other-secret", "-remoteWrite.label=nic=9")
        until(lambda: page.scrapes >= 6 and _nics(region) == {"", "9"}, 60.0, "series of both agents")
        yield region


def _series(region: Region) -> list[dict[str, str]]:
    everything = region.raw("/api/v1/series", **{"match[]": '{__name__!=""}', "start": "1"})["data"]
    return [dict(series) for series in everything]


def _nics(region: Region) -> set[str]:
    """Return the values of a label of the catalogue that only one of the two agents sets."""
    return {series.get("nic", "") for series in _series(region)}


def test_the_store_has_the_good_series_and_no_other(region: Region) -> None:
    """Series without tenant, with values that no row allows, or of the operator's page are dropped."""
    found = {(series["__name__"], series["tenant"], series["vm"]) for series in _series(region)}
    assert found == {("vm_disk_read_bytes_total", "a", VM), ("vm_cpu_seconds_total", "a", VM)}


def test_no_label_of_a_target_or_a_scraper_is_in_the_store(region: Region) -> None:
    """Each series has its row's labels, and the one of the catalogue that an agent's operator sets."""
    rows = {row.name: set(row.label_names) for row in catalogue.OF_TENANTS}
    for series in _series(region):
        assert series.keys() - {"__name__"} <= rows[series["__name__"]] | {"nic"}
    text = json.dumps(_series(region))
    assert not re.search("secret|11111111", text)


def test_the_label_names_of_the_store_are_the_catalogues(region: Region) -> None:
    """Also where the store lists label names by itself."""
    names = set(region.raw("/api/v1/labels", start="1")["data"]) - {"__name__"}
    assert names <= {label for row in catalogue.OF_TENANTS for label in row.label_names}


def test_the_allow_list_is_what_keeps_them_out(region: Region, tmp_path: Path) -> None:
    """The control: the same agent without the list brings all of it into the store."""
    unit = (region.directory / "units/hostcollector-tenant-agent.service").read_text()
    assert "-remoteWrite.urlRelabelConfig=" in unit
    (region.directory / "etc/allow-list.yml").write_text("[]\n")
    region.stop("tenant-agent")
    region.start("tenant-agent")
    until(lambda: "secret" in json.dumps(_series(region)), 60.0, "the operator's series in the store")
    assert any(series["__name__"] == "up" for series in _series(region))
