"""The command sd: an inventory of Ansible becomes Prometheus's targets, as a file and over HTTP."""

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hostcollector.app.cli import main
from hostcollector.app.cli.discovery import InventoryError, Label, Wanted, targets
from hostcollector.app.cli.discovery_http import server
from hostcollector.config.address import Address

INVENTORY: dict[str, Any] = {
    "_meta": {
        "hostvars": {
            "hv-1": {"ansible_host": "192.0.2.1", "rack": "r1", "zone": 7},
            "hv-2": {"ansible_host": "2001:db8::2", "rack": "{{ rack_of_row }}"},
        }
    },
    "all": {"children": ["hypervisors", "prometheus"]},
    "hypervisors": {"hosts": ["hv-2"], "children": ["north"]},
    "north": {"hosts": ["hv-1", "hv-2", "hv-3"]},
    "prometheus": {"hosts": ["mon"]},
}
LABELS = (Label("rack", "rack"), Label("availability_zone", "zone"))
EXPECTED = [
    {
        "targets": ["192.0.2.1:10177"],
        "labels": {"rack": "r1", "availability_zone": "7", "instance": "hv-1", "host": "hv-1"},
    },
    {"targets": ["[2001:db8::2]:10177"], "labels": {"instance": "hv-2", "host": "hv-2"}},
    {"targets": ["hv-3:10177"], "labels": {"instance": "hv-3", "host": "hv-3"}},
]


def test_each_host_of_the_group_and_of_those_below_it_is_a_target_once() -> None:
    """With its labels; values that only Ansible can fill in, and variables that it lacks, give none."""
    assert targets(INVENTORY, Wanted("hypervisors", 10177, LABELS)) == EXPECTED


@pytest.mark.parametrize(
    ("inventory", "says"),
    [({"all": {}}, "no group hypervisors"), ({"hypervisors": {"children": ["hypervisors"]}}, "below itself")],
)
def test_an_inventory_without_the_group_is_an_error(inventory: dict[str, Any], says: str) -> None:
    """Rather than an empty list, which would take every target away."""
    with pytest.raises(InventoryError, match=says):
        targets(inventory, Wanted("hypervisors", 1, ()))


def test_the_file_is_written_as_a_whole_or_stays(tmp_path: Path) -> None:
    """A broken inventory leaves the targets of before."""
    inventory, file = tmp_path / "inventory.json", tmp_path / "targets.json"
    inventory.write_text(json.dumps(INVENTORY))
    flags = ("--label=rack", "--label=availability_zone=zone", f"--output={file}", str(inventory))
    assert main(["sd", *flags]) == 0
    assert json.loads(file.read_text()) == EXPECTED
    inventory.write_text('{"hypervisors": ')
    assert main(["sd", *flags]) == 1
    assert json.loads(file.read_text()) == EXPECTED


def test_over_http_the_inventory_is_that_of_the_moment(tmp_path: Path) -> None:
    """One that cannot be used is 503, with which Prometheus keeps what it has."""
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps(INVENTORY))
    with server(Address("127.0.0.1", 0), inventory, Wanted("hypervisors", 10177, LABELS)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{http.server_address[1]}/"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.headers["Content-Type"] == "application/json"
            assert json.load(answer) == EXPECTED
        inventory.unlink()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, timeout=30)
        assert refused.value.code == 503
        refused.value.close()
        http.shutdown()


@pytest.mark.parametrize(
    "flag", ["--listen=0.0.0.0:1", "--listen=:1", "--label=__name__", "--label=instance"]
)
def test_flags_that_would_harm_are_refused(flag: str) -> None:
    """An address that others reach, and labels that have another meaning."""
    with pytest.raises(SystemExit) as ended:
        main(["sd", flag, "inventory.json"])
    assert ended.value.code == 2


def test_the_inventory_that_ansible_prints_is_understood(tmp_path: Path) -> None:
    """What ansible-inventory --list makes of the example is read, with the labels of its hosts."""
    example = Path(__file__).parents[3] / "ansible/inventory/example.yml"
    program = Path(sys.executable).with_name("ansible-inventory")
    listed = subprocess.run(
        [program, "-i", example, "--list"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    found = targets(json.loads(listed.stdout), Wanted("hypervisors", 10177, [Label("rack", "rack")]))
    assert [target["labels"]["rack"] for target in found] == ["r1", "r1", "r2"]
    assert found[0]["targets"] == ["192.0.2.11:10177"]
