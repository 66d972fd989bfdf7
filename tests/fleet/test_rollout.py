"""Steps of a rollout: the canaries first, a gate at Prometheus after each, and how far a failure gets."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.fleet import PORT, Fleet
from tests.fleet.monitoring import URL, Monitoring, running
from tests.fleet.playbook import Outcome, Playbooks
from tests.fleet.wheelhouse import REPOSITORY
from tests.lab.process import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

HURRIED = {"fleet_prometheus_scrape_interval": "1s", "fleet_prometheus_scrape_timeout": "1s"}
GATE = {"hostcollector_gate": True, "hostcollector_gate_url": URL, "hostcollector_soak_seconds": 5}
CANARY = "hv-trixie"
# Deploys nothing; writes its host into a list, and fails on the host that is named to it.
MODEL = """\
- name: Switch
  ansible.builtin.shell: echo {{ inventory_hostname }} >>{{ switched }}
- name: Fail
  ansible.builtin.assert: {that: inventory_hostname != failing}
"""


@pytest.fixture(scope="module")
def prometheus(deployed: Fleet) -> Iterator[Monitoring]:
    """Give the fleet's Prometheus, which scrapes every host each second."""
    outcome = deployed.playbooks.run("monitoring", "--limit=prometheus", **HURRIED)
    assert outcome.succeeded, outcome.output[-4000:]
    with running(deployed.prometheus, deployed.directory / "gate-data") as prometheus:
        until(
            lambda: len(prometheus.query('libvirt_up{job="hostcollector"} == 1')) == len(deployed.hosts),
            30.0,
            "the first scrapes",
        )
        yield prometheus


def _canary(fleet: Fleet) -> Playbooks:
    """Return the playbooks with an inventory whose second host is the canary."""
    inventory = json.loads(fleet.playbooks.inventory.read_text())
    inventory["all"]["children"]["hostcollector_canary"] = {"hosts": {CANARY: {}}}
    file = fleet.directory / "canary.json"
    file.write_text(json.dumps(inventory))
    return Playbooks(fleet.directory, file)


def test_a_canary_that_shows_less_is_put_back_and_ends_the_rollout(
    deployed: Fleet, prometheus: Monitoring
) -> None:
    """It is ready but has fewer series per guest, which the gate finds; no other host is touched."""
    config = {"web": {"listen_address": f":{PORT}"}, "sources": {"procfs": False, "libvirt_monitor": False}}
    outcome = _canary(deployed).run("deploy", **GATE, hostcollector_config=config)
    assert outcome.failed == set(outcome.changed) == {CANARY}
    assert re.search(r"series per guest went from [\d.]+ to [\d.]+", outcome.output), outcome.output[-4000:]
    assert f"{CANARY} runs what it ran before" in outcome.output
    until(
        lambda: len(prometheus.query("count by (instance) (libvirt_domain_vcpu_delay_seconds_total)")) == 2,
        30.0,
        "the series of before",
    )


def test_steps_as_good_as_before_go_through_the_whole_fleet(deployed: Fleet, prometheus: Monitoring) -> None:
    """A deployment without a change passes the gate on every host, the canary first."""
    assert {dict(alert)["alertname"] for alert in prometheus.firing()} == {"Watchdog"}
    outcome = _canary(deployed).run("deploy", **GATE)
    assert outcome.succeeded, outcome.output[-4000:]
    assert set(outcome.changed) == {host.name for host in deployed.hosts}
    assert outcome.output.index(f"ok: [{CANARY}]") < outcome.output.index("ok: [hv-bookworm]")


def test_without_an_answer_of_prometheus_no_host_is_touched(deployed: Fleet) -> None:
    """Where nothing listens at its address."""
    outcome = _canary(deployed).run("deploy", **GATE | {"hostcollector_gate_url": "http://127.0.0.1:1"})
    assert not outcome.succeeded
    assert set(outcome.changed.values()) == {0}
    assert "hostcollector : Look at the host" not in outcome.output


def _model(
    directory: Path, playbook: str = "deploy", *, failing: str = "none", unreachable: str = ""
) -> tuple[Outcome, list[str]]:
    """Run a playbook on 20 hosts with a role that only notes its host; return the hosts in their order."""
    names = [f"hv-{number:02}" for number in range(1, 21)]
    here: dict[str, Any] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts = {name: away if name == unreachable else here for name in names}
    shutil.copytree(REPOSITORY / "ansible/playbooks", directory / "playbooks")
    role = directory / "playbooks/roles/hostcollector/tasks"  # found before the real one
    role.mkdir(parents=True)
    for entry in ("main", "rollback", "retire"):
        (role / f"{entry}.yml").write_text(MODEL)
    inventory = {"all": {"children": {"hypervisors": {"hosts": hosts}}}}
    (directory / "inventory.json").write_text(json.dumps(inventory))
    playbooks = Playbooks(directory, directory / "inventory.json", root=directory)
    switched = directory / "switched"
    outcome = playbooks.run(playbook, switched=str(switched), failing=failing, hostcollector_gate=False)
    return outcome, switched.read_text().split()


def test_one_failing_host_of_twenty_ends_the_rollout_in_its_step(tmp_path: Path) -> None:
    """The tenth fails: the steps up to its own were switched, eleven hosts, and none of the later ones."""
    outcome, switched = _model(tmp_path, failing="hv-10")
    print(f"20 modelled hosts, hv-10 fails: {len(switched)} were switched: {switched}")
    assert outcome.failed == {"hv-10"}
    assert sorted(switched) == [f"hv-{number:02}" for number in range(1, 12)]


@pytest.mark.parametrize("playbook", ["deploy", "rollback", "retire"])
def test_an_unreachable_host_is_reported_and_holds_none_up(tmp_path: Path, playbook: str) -> None:
    """The first one of the inventory: all others are changed, and the run names it and fails at its end."""
    outcome, switched = _model(tmp_path, playbook, unreachable="hv-01")
    assert len(switched) == 19
    assert outcome.failed == {"hv-01"}
    assert "hv-01 was not reached" in outcome.output
