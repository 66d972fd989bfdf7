"""Every alert's link ends at a page that can be followed step by step, and that makes nothing worse."""

import re

import pytest

from tests.dashboards.contract import complaints
from tests.dashboards.pages import Page, pages
from tests.dashboards.promql import read
from tests.dashboards.rule_files import RUNBOOK, Alert, alerts
from tests.places import REPOSITORY

PAGES = list(pages())
ALERTS_TABLE = REPOSITORY / "docs/alerts-and-boards.md"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Escalate"]
NEVER = (
    "swapoff",
    "virsh destroy",
    "virsh start",
    "virsh shutdown",
    "virsh reset",
    "virsh undefine",
    "kill -9",
)
"""Behind the back of the control plane, or a second incident."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    """A page whose alert is gone is gone too, and the list names them all."""
    names = {alert.name for alert in alerts()}
    assert {page.name for page in PAGES} == names
    listed = set(re.findall(r"\]\((\w+)\.md\)", (RUNBOOK / "README.md").read_text()))
    assert listed == names


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    """docs/alerts-and-boards.md has each alert once, with its severity and its audience."""
    rows = re.findall(
        r"^\| [^|]* ?\| (`\w+`[^|]*) \| (tenant, )?(\w+) \|$", ALERTS_TABLE.read_text(), re.MULTILINE
    )
    listed = [
        (name, severity, "tenant" if tenant else "operator")
        for names, tenant, severity in rows
        for name in re.findall(r"`([A-Z]\w+)`", names)
    ]
    assert sorted(listed) == sorted(
        (alert.name, alert.labels["severity"], alert.labels["audience"]) for alert in alerts()
    )


@each_page
def test_a_page_has_all_its_parts(page: Page) -> None:
    """Meaning, impact, a look by queries or commands, what to do now and later, and when to call others."""
    assert list(page.sections) == SECTIONS
    assert all(text.strip() for text in page.sections.values())
    assert page.queries
    assert re.findall(r"^(Now|Later):$", page.sections["Mitigation"], re.MULTILINE) == ["Now", "Later"]


@each_page
def test_its_queries_ask_for_what_there_is(page: Page) -> None:
    """Each parses, and every metric and label is known."""
    for query in page.queries:
        assert complaints(read(query)) == [], query


@each_page
def test_its_commands_say_who_runs_them(page: Page) -> None:
    """A prompt is before each: # for root, $ for others."""
    consoles = re.findall(r"```console\n(.*?)```", page.text, re.DOTALL)
    assert all(line.startswith(("$ ", "# ")) for block in consoles for line in block.splitlines())


@each_page
def test_it_makes_nothing_worse(page: Page) -> None:
    """The control plane alone ends and starts guests; a host that lacks memory keeps its swap."""
    assert [word for word in NEVER if word in page.text] == []


@pytest.mark.parametrize("alert", list(alerts()), ids=lambda alert: alert.name)
def test_an_alert_makes_nothing_worse(alert: Alert) -> None:
    """The same holds for the first step that the alert itself names."""
    assert [word for word in NEVER if word in alert.annotations["description"]] == []


@each_page
def test_its_links_lead_somewhere(page: Page) -> None:
    """A link to another page is a file beside this one."""
    targets = re.findall(r"\]\((.+?)\)", page.text)
    assert [target for target in targets if not (RUNBOOK / target).is_file()] == []
