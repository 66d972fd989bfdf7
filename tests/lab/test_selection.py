"""The section `guests` of the configuration, on real guests: what is left out, and what stays known."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab.fixtures import BootAll
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import nova, own_tenant
from tests.lab.served import Page, Served, parse, serving

pytestmark = pytest.mark.lab

Entry = Mapping[str, object]

NOVA = {"nova": "http://openstack.org/xmlns/libvirt/nova/1.1"}
INFRA = {"metadata": "nova:instance/nova:flavor/@name", "value": "infra.*", "namespaces": NOVA}
CUSTOMER, DNS, PROXY, STRAY = "select-customer", "select-dns", "select-proxy", "select-stray"


def _domains(page: Page) -> set[str]:
    return {
        dict(labels)["domain"]
        for name, labels in page.series
        if name.startswith("libvirt_domain_") and dict(labels)["domain"].startswith("select-")
    }


def _status(served: Served) -> str:
    with urllib.request.urlopen(served.url, timeout=10) as answer:
        return str(answer.read().decode())


def _textfile(hypervisor: PrivateHypervisor, config: Path, file: Path) -> str:
    """Return what `collect --output` writes with a configuration."""
    command = [sys.executable, "-m", "hostcollector", "collect", "--own", f"--config.file={config}"]
    flags = (f"--libvirt.uri={hypervisor.uri_readonly}", f"--output={file}")
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return file.read_text()


def test_guests_that_are_left_out_have_no_series(
    boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """By name, tenant and metadata; a reload and a file for node_exporter show the others."""
    flavored = nova(project_id="p1", project_name="P", instance_name="proxy", flavor="infra.large")
    boot_all(
        [
            Guest.idle(CUSTOMER, metadata=own_tenant("acme")),
            Guest.idle(DNS, metadata=own_tenant("cloud-ops")),
            Guest.idle(PROXY, metadata=flavored),
            Guest.idle(STRAY),
        ]
    )
    file = tmp_path / "config.yml"

    def write(*exclude: Entry) -> None:
        paths = {"state_directory": str(tmp_path / "state"), "runtime_directory": ""}
        file.write_text(json.dumps({"paths": paths, "guests": {"exclude": exclude}}))

    write({"tenant": "cloud-*"}, INFRA, {"name": STRAY}, {"name": "ghost-*"})
    with serving(hypervisor.uri_readonly, tmp_path, f"--config.file={file}") as served:
        page = served.page_where(
            lambda page: page.one("hostcollector_domains_left_out") == 3 and CUSTOMER in _domains(page),
            "three guests left out",
        )
        assert _domains(page) == {CUSTOMER}
        assert page.one("hostcollector_series_dropped", reason="unknown_guest") == 0
        assert page.one("hostcollector_host_domains", state="running") >= 4
        status = _status(served)
        assert "3 more guests have no series" in status
        assert "guests.exclude[3]" in status
        assert "guests.exclude[0]" not in status
        write({"name": STRAY})
        served.child.send_signal(signal.SIGHUP)
        page = served.page_where(lambda page: len(_domains(page)) == 3, "the guests of the new configuration")
        assert _domains(page) == {CUSTOMER, DNS, PROXY}
    text = _textfile(hypervisor, file, tmp_path / "host.prom")
    assert _domains(parse(text)) == {CUSTOMER, DNS, PROXY}
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
