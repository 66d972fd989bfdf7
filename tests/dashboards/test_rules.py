"""Every alert says whom it concerns and what to do first, and is proven to fire and not to fire."""

import subprocess

import pytest

from tests.dashboards.rule_files import RULES, UNIT_TESTS, Alert, alerts, recordings, verdicts

BASE = "https://runbooks.example/hostcollector/runbook.md"
ALERTS = list(alerts())
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@each_alert
def test_an_alert_is_complete(alert: Alert) -> None:
    """It has a severity of the three, a summary, sentences on what to do, and a link into the runbook."""
    assert alert.severity in {"critical", "warning", "info"}
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert alert.annotations["description"].endswith(".")
    assert alert.annotations["runbook_url"] == f"{BASE}#{alert.name.lower()}"
    assert "$labels.instance" in alert.annotations["summary"] or "fleet" in alert.annotations["summary"]


@each_alert
def test_an_alert_about_a_guest_names_it_and_its_tenant(alert: Alert) -> None:
    """The summary names guest and tenant."""
    about_guests = "libvirt_domain_" in alert.query or "_host_domain_" in alert.query
    named = {label for label in ("tenant", "domain") if f"$labels.{label}" in alert.annotations["summary"]}
    if alert.name == "GuestUnassigned":
        assert named == {"domain"}
    elif alert.name == "GuestJobsFailed":
        assert named == set()  # counted for the host: the guest may have left it
    else:
        assert named == ({"tenant", "domain"} if about_guests else set())


def test_names_are_unique() -> None:
    """No two alerts share a name; recordings with one name differ in their labels."""
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    recorded = [(rule.name, *rule.labels.values()) for rule in recordings()]
    assert len(set(recorded)) == len(recorded)


def test_every_alert_is_shown_to_fire_and_not_to_fire() -> None:
    """The unit tests of the rules evaluate each alert both ways."""
    both_ways = {(alert.name, fires) for alert in ALERTS for fires in (True, False)}
    assert both_ways - set(verdicts()) == set()


@pytest.mark.lab
@pytest.mark.parametrize(
    ("command", "files"),
    [(("check", "rules"), RULES), (("test", "rules"), UNIT_TESTS)],
    ids=["check", "test"],
)
def test_promtool_accepts_the_rules(command: tuple[str, str], files: tuple[str, ...]) -> None:
    """The files are valid, and every alert fires with exactly its labels and annotations, or not at all."""
    assert files
    ran = subprocess.run(["promtool", *command, *files], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("SUCCESS") == len(files)
