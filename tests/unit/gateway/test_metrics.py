"""The gateway's own metrics: the page has what the table says, in the form that Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from hostcollector.base.model import Kind
from hostcollector.gateway.metrics import BUCKETS, FAMILIES, PREFIX, Counters


def page(counters: Counters) -> str:
    """Return a page with a certificate."""
    lines = counters.lines(lock_holds=True, accounts_age=0.5, expiries={"store.certificate_file": 2e9})
    return "".join(f"{line}\n" for line in lines)


def test_the_page_has_every_row_of_the_table_with_its_labels() -> None:
    """Alerts and boards are checked against the table, so the page must be the same."""
    found = {family.name: family for family in text_string_to_metric_families(page(Counters()))}
    assert len(found) == len(FAMILIES)
    for row in FAMILIES.values():
        family = found[(PREFIX + row.name).removesuffix("_total")]
        assert family.type == row.kind.value
        assert family.documentation == row.help
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels == set(row.labels) | ({"le"} if row.kind is Kind.HISTOGRAM else set())


def test_every_counter_exists_before_its_first_event() -> None:
    """`increase()` does not see a counter that is born at 1."""
    text = page(Counters())
    assert f'{PREFIX}refusals_total{{cause="unauthorized"}} 0' in text
    assert f"{PREFIX}audit_failures_total 0" in text
    assert f"{PREFIX}store_failures_total 0" in text


def test_durations_are_in_the_buckets_that_hold_them() -> None:
    """A value at the end of a bucket is in it; one above all is in the last."""
    counters = Counters()
    for seconds in (0.001, BUCKETS[0], 0.3, 100.0):
        counters.took(seconds)
    text, name = page(counters), f"{PREFIX}request_duration_seconds"
    assert f'{name}_bucket{{le="0.005"}} 2' in text
    assert f'{name}_bucket{{le="0.5"}} 3' in text
    assert f'{name}_bucket{{le="30.0"}} 3' in text
    assert f'{name}_bucket{{le="+Inf"}} 4' in text
    assert f"{name}_count 4" in text
