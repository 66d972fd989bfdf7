"""What `make dist` makes is named by the distribution, and the role looks for the same name."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pytest
import yaml

from tests.places import REPOSITORY

PLATFORM = REPOSITORY / ".ci/platform"
VARIABLES = REPOSITORY / "ansible/roles/hostcollector/vars/main.yml"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution by its os-release(5), its Pythons, and what Ansible's facts say of it."""

    os_release: str
    pythons: Mapping[str, tuple[int, int]]
    facts: Mapping[str, str]
    made: str


def _facts(name: str, family: str, release: str, major: str) -> Mapping[str, str]:
    return {
        "distribution": name,
        "os_family": family,
        "distribution_release": release,
        "distribution_major_version": major,
        "architecture": "x86_64",
    }


DISTRIBUTIONS = {
    "Debian 13": Distribution(
        'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n',
        {"python3": (3, 13)},
        _facts("Debian", "Debian", "trixie", "13"),
        "trixie deb python3",
    ),
    "Debian testing": Distribution(
        "ID=debian\nVERSION_CODENAME=forky\n",
        {"python3": (3, 14)},
        _facts("Debian", "Debian", "forky", "testing/unstable"),
        "forky deb python3",
    ),
    "Ubuntu 24.04": Distribution(
        'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n',
        {"python3": (3, 12)},
        _facts("Ubuntu", "Debian", "noble", "24"),
        "noble deb python3",
    ),
    "Rocky 9": Distribution(
        'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\n',
        {"python3": (3, 9), "python3.11": (3, 11)},
        _facts("Rocky", "RedHat", "Blue Onyx", "9"),
        "rocky9 wheelhouse python3.11",
    ),
    "RHEL 9": Distribution(
        'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\n',
        {"python3": (3, 9), "python3.12": (3, 12)},
        _facts("RedHat", "RedHat", "Plow", "9"),
        "rhel9 wheelhouse python3.12",
    ),
    "CentOS Stream 10": Distribution(
        'ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="10"\n',
        {"python3": (3, 12)},
        _facts("CentOS", "RedHat", "Coughlan", "10"),
        "centos10 wheelhouse python3",
    ),
}


def _said(directory: Path, os_release: str, pythons: Mapping[str, tuple[int, int]]) -> tuple[int, str]:
    """Run the script where only these Pythons are, each of which says that it is of its version."""
    (directory / "os-release").write_text(os_release)
    for name, version in pythons.items():
        program = directory / name
        program.write_text(f"#!/bin/sh\nexit {int(version < (3, 11))}\n")
        program.chmod(0o755)
    for name in ("bash", "sed", "env"):
        (directory / name).symlink_to(f"/usr/bin/{name}")
    done = subprocess.run(
        (PLATFORM, directory / "os-release"),
        env={**os.environ, "PATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_distribution_is_known_by_its_os_release(name: str, tmp_path: Path) -> None:
    """A package for Debian and Ubuntu, elsewhere a wheelhouse, with a Python that is new enough."""
    distribution = DISTRIBUTIONS[name]
    assert _said(tmp_path, distribution.os_release, distribution.pythons) == (0, distribution.made)


def test_an_older_python_leads_to_the_image(tmp_path: Path) -> None:
    """Ubuntu 22.04 has Python 3.10, and so no package."""
    jammy = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\n'
    status, said = _said(tmp_path, jammy, {"python3": (3, 10)})
    assert status == 1
    assert said == "ubuntu 22.04 has no Python 3.11 or newer: use the image (make image)."


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_role_looks_for_what_was_made(name: str) -> None:
    """Ansible names some distributions in another way than os-release."""
    distribution = DISTRIBUTIONS[name]
    variables = yaml.safe_load(VARIABLES.read_text())
    templates = jinja2.Environment(autoescape=True)
    known = {"ansible_facts": distribution.facts} | {
        key: value for key, value in variables.items() if isinstance(value, dict)
    }
    for part in ("__hostcollector_codename", "__hostcollector_machine", "__hostcollector_platform"):
        known[part] = templates.from_string(variables[part]).render(known)
    assert known["__hostcollector_platform"] == f"{distribution.made.split()[0]}-amd64"


def test_every_cell_of_the_matrix_leads_to_what_was_run() -> None:
    """docs/support.md links files that exist; a system that was run has a link to the test."""
    matrix = REPOSITORY / "docs/support.md"
    links = re.findall(r"\]\(([^)#:]+)\)", matrix.read_text())
    assert len(links) > 10
    assert [link for link in links if not (matrix.parent / link).exists()] == []
