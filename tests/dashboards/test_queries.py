"""Boards and rules are clients of the page: they ask for nothing that the catalogue does not have."""

import pytest

from tests.dashboards.boards import Question, filled_in, questions
from tests.dashboards.contract import complaints
from tests.dashboards.promql import read
from tests.dashboards.reasons import REASONS
from tests.dashboards.rule_files import Alert, Recording, alerts, recordings

SUMS = frozenset(
    {"hostcollector_source_samples", "hostcollector_build_info", "libvirt_domain_gpu_observable"}
    | {"libvirt_domain_gpu_nvlink_up", "hostcollector_host_gpu_nvlink_up"}
    | {"hostcollector_gateway_refusals_total"}
)
"""What an alert about one guest, device or host adds up, or takes the best of."""

ALLOWED_SUMS = {
    "GuestOnStalledStorage": "names guests by the condition of StorageStalled",
    "GuestOnTwoHosts": "counts the hosts of one guest",
    "GuestRebootedOften": "adds up the reboots of one guest by their detail",
}
MANY = frozenset({"fleet", "rack", "storage"})
"""Scopes whose alerts count hosts and guests: the single alerts exist beside them."""


@pytest.mark.parametrize("question", list(questions()), ids=str)
def test_a_board_asks_for_what_there_is(question: Question) -> None:
    """Every metric and label exists, counters are asked for their increase and nothing else is."""
    query = read(filled_in(question.expr))
    assert complaints(query) == []
    assert query.selectors


@pytest.mark.parametrize("rule", [*alerts(), *recordings()], ids=lambda rule: rule.name)
def test_a_rule_asks_for_what_there_is(rule: Alert | Recording) -> None:
    """Every metric and label of a rule exists, counters are asked for their increase."""
    assert complaints(read(rule.query)) == []


@pytest.mark.parametrize("alert", list(alerts()), ids=lambda alert: alert.name)
def test_an_alert_never_hides_a_guest_behind_a_sum(alert: Alert) -> None:
    """No alert is on a mean. Only alerts about many count or add up what is about guests."""
    for aggregation in read(alert.query).aggregations:
        assert aggregation.operator != "avg"
        if alert.labels["scope"] not in MANY and alert.name not in ALLOWED_SUMS:
            assert aggregation.metrics <= SUMS


@pytest.mark.parametrize("part", REASONS)
def test_a_reason_is_about_some_query(part: str) -> None:
    """A reason for missing data whose query is gone is gone too."""
    assert any(part in question.expr for question in questions())


@pytest.mark.parametrize(
    ("expr", "complaint"),
    [
        ("libvirt_domain_vcpu_time_second_total", "no metric libvirt_domain_vcpu_time_second_total"),
        ("rate(libvirt_domain_vcpu_time_seconds_total{cpu='0'}[5m])", "has no label cpu"),
        ("libvirt_domain_vcpu_time_seconds_total > 0", "not inside rate"),
        ("rate(libvirt_domain_info_vstate[5m])", "does not count"),
        ("sum by (project) (libvirt_domain_info_vstate)", "nothing has the label project"),
        ("up / on (host) up", "nothing has the label host"),
        ("avg by (job) (rate(libvirt_domain_block_latency_seconds_bucket{lt='1'}[5m]))", "has no label lt"),
    ],
)
def test_mistakes_are_found(expr: str, complaint: str) -> None:
    """A misspelt name, a label that is not there, a counter taken for a value: each is reported."""
    assert any(complaint in found for found in complaints(read(expr)))
