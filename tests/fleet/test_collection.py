"""The collection hostcollector.fleet: built, installed and used without this repository beside it."""

import getpass
import grp
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostcollector import __version__
from tests.places import REPOSITORY

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

PROGRAMS = Path(sys.executable).parent
WHEELHOUSE = f"hostcollector-{__version__}-bookworm-amd64.tar.gz"
OF_THE_GATEWAY = f"hostcollector-gateway-{__version__}-bookworm-amd64.tar.gz"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of the collection as ansible-galaxy installs it."""
    dist, home = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("home")
    for name in (WHEELHOUSE, OF_THE_GATEWAY, "hostcollector-0.0.1-bookworm-amd64.tar.gz"):
        (dist / name).write_text(name)
        (dist / f"{name}.sha256").write_text(name)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1", "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    subprocess.run([REPOSITORY / ".ci/collection", dist], check=True, env=environment, capture_output=True)
    (archive,) = dist.glob("hostcollector-fleet-*.tar.gz")
    install = (PROGRAMS / "ansible-galaxy", "collection", "install", archive, "-p", home)
    subprocess.run(install, check=True, env={**environment, "ANSIBLE_HOME": str(home)}, capture_output=True)
    return home / "ansible_collections/hostcollector/fleet"


def test_artefacts_rules_and_boards_are_inside(installed: Path) -> None:
    """Of the artefacts those of this version, with their checksums; nothing is a link."""
    roles = installed / "roles"
    for program, wheelhouse in (("hostcollector", WHEELHOUSE), ("tenant_gateway", OF_THE_GATEWAY)):
        inside = {path.name for path in (roles / program / "files/artefacts").iterdir()}
        assert inside == {wheelhouse, f"{wheelhouse}.sha256"}
    for role, folder, suffix in (
        ("fleet_prometheus", "files/rules", "yml"),
        ("fleet_grafana", "files/dashboards", "json"),
    ):
        shipped = {path.name for path in (roles / role / folder).glob(f"*.{suffix}")}
        own = (REPOSITORY / "ansible/roles" / role / folder).glob(f"*.{suffix}")
        assert shipped == {path.name for path in own}
        assert shipped
    assert not [path for path in installed.rglob("*") if path.is_symlink()]


def test_its_playbook_works_away_from_the_repository(installed: Path, tmp_path: Path) -> None:
    """hostcollector.fleet.monitoring writes targets, rules and boards with the roles' own files."""
    group = grp.getgrgid(os.getgid()).gr_name
    common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    owners = {
        f"fleet_{what}_{part}": name
        for what in ("prometheus", "grafana")
        for part, name in (("owner", getpass.getuser()), ("group", group), ("service", ""))
    }
    places = {
        "fleet_prometheus_directory": str(tmp_path / "prometheus"),
        "fleet_prometheus_manage_config": True,
        "fleet_prometheus_promtool": "",
        "fleet_prometheus_tls": {},
        "fleet_grafana_provisioning_directory": str(tmp_path / "provisioning"),
        "fleet_grafana_dashboards_directory": str(tmp_path / "boards"),
    }
    groups = {
        "hypervisors": {"hosts": {"hv-1": {"ansible_host": "192.0.2.1", "rack": "r1"}}},
        "prometheus": {"hosts": {"mon": {}}},
        "grafana": {"hosts": {"mon": {}}},
    }
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"vars": {**common, **owners, **places}, "children": groups}}))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(installed.parents[2]),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    played = subprocess.run(
        [
            PROGRAMS / "ansible-playbook",
            "-i",
            inventory,
            "-e",
            "ansible_become=false",
            "hostcollector.fleet.monitoring",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stdout[-4000:] + played.stderr[-2000:]
    assert "hv-1" in (tmp_path / "prometheus/file_sd/hostcollector.yml").read_text()
    assert (tmp_path / "prometheus/rules/hostcollector-alerts.yml").exists()
    assert (tmp_path / "boards/hostcollector-fleet.json").exists()
