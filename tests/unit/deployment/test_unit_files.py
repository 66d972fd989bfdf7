"""The units that systemd runs the collector by."""

import re
import subprocess
from pathlib import Path

import pytest

from hostcollector.config.settings import Settings
from tests.places import REPOSITORY

FILES = REPOSITORY / "ansible/roles/hostcollector/files"
SERVICE = FILES / "hostcollector.service"
SOCKET = FILES / "hostcollector.socket"
GATEWAY = REPOSITORY / "ansible/roles/tenant_gateway/files/hostcollector-gateway.service"
ADMIN = GATEWAY.with_name("hostcollector-gateway-admin.service")
INTAKE = GATEWAY.with_name("hostcollector-gateway-intake.service")

pytestmark = pytest.mark.lab  # systemd-analyze comes with the laboratory's packages


def analyze(*arguments: str) -> str:
    """Return what systemd-analyze says; it needs no running systemd."""
    command = ("systemd-analyze", "--no-pager", *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def directives(unit: Path) -> dict[str, list[str]]:
    """Return the values of each directive, in the file's order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_the_exposure_is_at_most_2() -> None:
    """`systemd-analyze security` finds little to say: 2.0 of 10 at the most."""
    verdict = analyze("security", "--offline=true", "--threshold=20", str(SERVICE))
    score = re.search(r"Overall exposure level for hostcollector.service: ([0-9.]+)", verdict)
    assert score is not None
    assert float(score[1]) <= 2.0


@pytest.mark.parametrize("unit", [SERVICE, GATEWAY], ids=lambda unit: unit.stem)
def test_it_has_no_capability(unit: Path) -> None:
    """No source and no request needs one, so there is none to be had."""
    service = directives(unit)
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == [""]
    assert service["NoNewPrivileges"] == ["yes"]
    assert service["User"] == [unit.stem]
    assert "SupplementaryGroups" not in service


@pytest.mark.parametrize("service", [SERVICE, GATEWAY, ADMIN, INTAKE], ids=lambda unit: unit.stem)
def test_every_directive_is_known_to_the_oldest_systemd(service: Path, tmp_path: Path) -> None:
    """A misspelt directive is passed over by systemd in silence; the verification says it."""
    unit = tmp_path / service.name
    text = service.read_text()
    unit.write_text(re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    command = ("systemd-analyze", "verify", "--recursive-errors=no", str(unit))
    said = subprocess.run(command, check=False, capture_output=True, text=True).stderr
    assert [line for line in said.splitlines() if unit.name in line] == []


def test_the_socket_is_where_the_service_would_listen() -> None:
    """With the socket unit the page has the same address."""
    assert directives(SOCKET)["ListenStream"] == [str(Settings().web.listen_address)]


def test_the_daemons_own_socket_has_its_directory() -> None:
    """It is the settings' default, closed to others."""
    service = directives(SERVICE)
    assert [f"/run/{name}" for name in service["RuntimeDirectory"]] == [Settings().paths.runtime_directory]
    assert service["RuntimeDirectoryMode"] == ["0750"]


@pytest.mark.parametrize("unit", [SERVICE, GATEWAY, ADMIN, INTAKE], ids=lambda unit: unit.stem)
def test_a_wrong_configuration_is_not_tried_again(unit: Path) -> None:
    """Status 2 of the command line is what the unit does not restart after."""
    assert directives(unit)["RestartPreventExitStatus"] == ["2"]


def test_the_gateways_sandbox_is_tighter_than_the_daemons() -> None:
    """The gateway faces customers and needs no device and no other process: its exposure is lower."""
    exposures = [
        float(analyze("security", "--offline=true", str(unit)).split("service: ")[-1].split()[0])
        for unit in (GATEWAY, INTAKE, SERVICE)
    ]
    assert max(exposures[:2]) < exposures[2] < 2
