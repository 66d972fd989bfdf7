"""Every alert's link ends at a part of the runbook that can be followed step by step."""

import re

import pytest

from tests.dashboards.rule_files import RUNBOOK, Alert, alerts

PARTS = dict(part.split("\n", 1) for part in RUNBOOK.read_text().split("\n## ")[1:])
ALERTS = [alert for alert in alerts() if alert.name in PARTS]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_its_part(alert: Alert) -> None:
    """The part says what it means, which commands to run first, causes, fix and when to escalate."""
    part = PARTS[alert.name]
    found = re.findall(r"^\*\*(.+?)\.\*\*", part, re.MULTILINE)
    assert found == ["Meaning", "First look", "Causes", "Fix", "Escalate"]
    (commands,) = re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    assert all(line.startswith(("$ ", "# ")) for line in commands.splitlines())


def test_no_part_is_left_over() -> None:
    """A part whose alert is gone is gone too, and the list at the top names every alert."""
    names = {alert.name for alert in ALERTS}
    assert set(PARTS) == names
    listed = set(re.findall(r"\b\w+\b", RUNBOOK.read_text().partition("\n# The collector")[0]))
    assert names <= listed


def test_links_inside_lead_somewhere() -> None:
    """Links to other parts are anchors that a heading makes."""
    text = RUNBOOK.read_text()
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(.+?)\)", text)) <= anchors
