"""The fleet as fixtures: booted and deployed once; the tests' files follow its life in their order."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hostcollector import __version__
from tests.fleet import artefact
from tests.fleet.fleet import Fleet, boot
from tests.fleet.playbook import Outcome
from tests.fleet.release import RELEASES
from tests.fleet.wheelhouse import wheelhouse


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Give the booted hosts, on which there is no hostcollector yet; they end with the session."""
    booted = boot(Path(os.environ["HOSTCOLLECTOR_FLEET"]))
    yield booted
    for host in booted.hosts:
        host.end()


@pytest.fixture(scope="session")
def first_runs(fleet: Fleet) -> Mapping[str, Outcome]:
    """Deploy for the first time; give what each run of the playbook said, by its name."""
    houses = [(release.codename, wheelhouse(release)) for release in RELEASES]
    artefact.pack(__version__, houses, fleet.artefacts)
    return {
        "check on fresh hosts": fleet.playbooks.run("deploy", "--check", "--diff"),
        "deploy": fleet.playbooks.run("deploy"),
        "deploy again": fleet.playbooks.run("deploy"),
        "check on deployed hosts": fleet.playbooks.run("deploy", "--check", "--diff"),
    }


@pytest.fixture(scope="session")
def deployed(fleet: Fleet, first_runs: Mapping[str, Outcome]) -> Fleet:
    """Give the fleet with the collector running on every host."""
    assert first_runs["deploy"].succeeded, first_runs["deploy"].output[-4000:]
    return fleet
