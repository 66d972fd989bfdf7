"""The first deployment: a check that predicts its changes, a deployment, and nothing to do afterwards."""

from collections.abc import Mapping

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.playbook import Outcome

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]


def test_a_check_of_fresh_hosts_announces_changes_and_makes_none(
    fleet: Fleet, first_runs: Mapping[str, Outcome]
) -> None:
    """It fails nowhere and reports the installation on every host that the deployment then changes."""
    check = first_runs["check on fresh hosts"]
    assert check.succeeded, check.output[-4000:]
    assert set(check.changed) == {host.name for host in fleet.hosts}
    assert all(check.changed.values())


def test_a_deployment_gets_through(fleet: Fleet, first_runs: Mapping[str, Outcome]) -> None:
    """Every host becomes ready, and runs what was asked for."""
    deploy = first_runs["deploy"]
    assert deploy.succeeded, deploy.output[-4000:]
    for host in fleet.hosts:
        assert host.run("systemctl", "is-active", "hostcollector") == "active"
        assert host.run("systemctl", "is-enabled", "hostcollector") == "enabled"


@pytest.mark.parametrize("name", ["deploy again", "check on deployed hosts"])
def test_there_is_nothing_left_to_do(name: str, first_runs: Mapping[str, Outcome]) -> None:
    """A second run changes nothing, and a check announces nothing."""
    again = first_runs[name]
    assert again.succeeded, again.output[-4000:]
    assert set(again.changed.values()) == {0}, again.output[-6000:]
