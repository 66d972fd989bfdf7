"""Every alert says whom it concerns and what to do first, and is proven to fire and not to fire."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards.alerts.__main__ import main
from dashboards.alerts.alert import Audience, Scope, Severity
from dashboards.alerts.rendering import UnknownParameterError
from tests.dashboards.rule_files import RULES, UNIT_TESTS, Alert, alerts, completed, recordings, verdicts

COMPONENTS = frozenset(
    {"monitoring", "collector", "libvirt", "tenancy", "compute", "migration", "memory", "storage", "network"}
    | {"infiniband", "pci", "gpu", "chassis", "security", "gateway"}
)
OWN = """
selector: job="hypervisors"
place: region, zone
grafana_url: https://grafana.my
labels: {team: compute}
values: {monitor_blocked_seconds: 60}
alerts:
  GuestSwapping: {enabled: false}
  GPUThrottled: {for: 30m, severity: info}
"""

BASE = "https://runbooks.example/hostcollector"
ALERTS = list(alerts())
ALWAYS = "Watchdog"
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def test_the_committed_rules_are_what_the_source_makes(tmp_path: Path) -> None:
    """The file is not edited by hand: `make rules` writes the same again, and recording.yml as it is."""
    main(tmp_path, None)
    for path in RULES:
        assert (tmp_path / path.name).read_text() == path.read_text()


def test_an_operator_has_own_parameters(tmp_path: Path) -> None:
    """Selector, place, thresholds, labels and single alerts change; what is not named stays."""
    own = tmp_path / "own.yml"
    own.write_text(OWN)
    main(tmp_path, own)
    rules = {
        rule.get("alert", rule.get("record")): rule
        for name in ("alerts.yml", "recording.yml")
        for group in yaml.safe_load((tmp_path / name).read_text())["groups"]
        for rule in group["rules"]
    }
    assert 'job="hypervisors"' in rules["LibvirtDown"]["expr"]
    assert all("hostcollector" not in re.findall(r'job="(.+?)"', rule["expr"]) for rule in rules.values())
    assert "by (job, region, zone)" in rules["FleetHostsDown"]["expr"]
    assert rules["GuestMonitorBlocked"]["expr"].endswith("> 60")
    assert rules["GuestMonitorBlocked"]["labels"]["team"] == "compute"
    assert "GuestSwapping" not in rules
    assert (rules["GPUThrottled"]["for"], rules["GPUThrottled"]["labels"]["severity"]) == ("30m", "info")
    assert rules["GuestPausedOnIOError"]["annotations"]["dashboard_url"].startswith("https://grafana.my/d/")


@pytest.mark.parametrize(
    "own",
    [
        "treshold: 1",
        "values: {disk_latency: 1}",
        "alerts: {GuestSwaping: {enabled: false}}",
        "alerts: {GuestSwapping: {four: 1m}}",
        "alerts: {GuestSwapping: off}",
        "values: 3",
        "- selector",
    ],
)
def test_a_misspelt_parameter_is_refused(tmp_path: Path, own: str) -> None:
    """A name that does not exist would silently change nothing."""
    path = tmp_path / "own.yml"
    path.write_text(own)
    with pytest.raises(UnknownParameterError):
        main(tmp_path, path)


@each_alert
def test_an_alert_is_complete(alert: Alert) -> None:
    """Its labels say how urgent, for whom and about what; it has a summary, what to do, and a page."""
    assert alert.labels["severity"] in set(Severity)
    assert alert.labels["audience"] in set(Audience)
    assert alert.labels["scope"] in set(Scope)
    assert alert.labels["component"] in COMPONENTS
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert alert.annotations["description"].endswith(".")
    assert alert.annotations["runbook_url"] == f"{BASE}/{alert.name}.md"
    assert "$labels.instance" in alert.annotations["summary"] or "fleet" in alert.annotations["summary"]


@each_alert
def test_no_operator_is_paged_for_what_a_tenant_does(alert: Alert) -> None:
    """What a guest does inside itself is never critical."""
    if alert.labels["audience"] == Audience.TENANT:
        assert alert.labels["severity"] != Severity.CRITICAL
        assert alert.labels["scope"] in {Scope.GUEST, Scope.DEVICE}


@each_alert
def test_an_alert_about_a_guest_names_it_and_its_tenant(alert: Alert) -> None:
    """The summary names guest and tenant."""
    if alert.labels["scope"] == Scope.GUEST:
        assert {"$labels.tenant", "$labels.domain"} <= set(
            re.findall(r"\$labels\.\w+", alert.annotations["summary"])
        )


def test_names_are_unique() -> None:
    """No two alerts share a name; recordings with one name differ in their labels."""
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    recorded = [(rule.name, *rule.labels.values()) for rule in recordings()]
    assert len(set(recorded)) == len(recorded)


def test_every_alert_is_shown_to_fire_and_not_to_fire() -> None:
    """The unit tests of the rules evaluate each alert both ways."""
    both_ways = {(alert.name, fires) for alert in ALERTS for fires in (True, False)} - {(ALWAYS, False)}
    assert both_ways - set(verdicts()) == set()


@pytest.mark.lab
def test_promtool_accepts_the_rules() -> None:
    """The files are valid for a Prometheus."""
    assert _promtool("check", *RULES).count("SUCCESS") == len(RULES)


@pytest.mark.lab
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_each_alert_fires_when_it_should(path: Path, tmp_path: Path) -> None:
    """Every alert fires with exactly its labels and annotations, or not at all."""
    assert "SUCCESS" in _promtool("test", completed(path, tmp_path))


def _promtool(command: str, *files: Path) -> str:
    ran = subprocess.run(["promtool", command, "rules", *files], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
