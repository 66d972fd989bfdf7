"""What is counted, logged and shown about the sources of the collections so far."""

import logging

import pytest

from hostcollector.base.errors import Reason
from hostcollector.base.log import Transitions
from hostcollector.base.model import Domain, Guest, Report, SourceState, Tenant
from hostcollector.catalogue import collection
from hostcollector.collection.about import LIBVIRT_SOURCE, About

OK = Report(source="steady", state=SourceState.OK, sample_count=7, duration=0.5)
PARTIAL = Report(source="steady", state=SourceState.PARTIAL, missing=2)
FAILED = Report(source="steady", state=SourceState.FAILED, reason=Reason.DENIED, notes=("join the group",))


def _values(about: About, *reports: Report) -> dict[tuple[str, ...], object]:
    samples = about.samples(reports, {}, 1.5)
    return {(sample.metric.name, *sample.labels): sample.value for sample in samples}


def test_errors_are_counted_from_zero_and_the_last_success_is_kept() -> None:
    """A failed source has no number of missing items: that is not known."""
    about = About()
    before = _values(about, OK)
    for report, taken_at in ((OK, 100.0), (PARTIAL, 200.0), (FAILED, 300.0)):
        about.count(report, taken_at)
    values = _values(about, FAILED)
    errors, success = collection.SOURCE_ERRORS.name, collection.SOURCE_LAST_SUCCESS.name
    assert [before[errors, "steady", reason.value] for reason in Reason] == [0] * len(Reason)
    assert (success, "steady") not in before
    assert (values[errors, "steady", "denied"], values[success, "steady"]) == (1, 200.0)
    assert (collection.SOURCE_MISSING.name, "steady") not in values
    assert _values(about, PARTIAL)[collection.SOURCE_MISSING.name, "steady"] == 2


@pytest.mark.parametrize(
    ("state", "up"), [(SourceState.OK, 1), (SourceState.PARTIAL, 1), (SourceState.FAILED, 0)]
)
def test_the_source_that_always_asks_libvirt_decides_whether_it_is_up(state: SourceState, up: float) -> None:
    """Without that source, libvirt's state is not known."""
    about, name = About(), collection.LIBVIRT_UP.name
    assert _values(about, Report(source=LIBVIRT_SOURCE, state=state))[name,] == up
    assert (name,) not in _values(about, OK)


def test_the_log_has_an_entry_per_failure_and_recovery(caplog: pytest.LogCaptureFixture) -> None:
    """And none for each collection in between."""
    about = About(transitions=Transitions(logging.getLogger("hostcollector")))
    with caplog.at_level(logging.INFO, "hostcollector"):
        for report in (OK, FAILED, FAILED, OK, OK):
            about.count(report, 100.0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "join the group" in caplog.records[0].getMessage()


def test_guests_without_a_tenant_are_counted() -> None:
    """An unassigned guest is shown and counted."""
    guests = {
        "a": Guest(domain=Domain(uuid="a", name="a")),
        "b": Guest(domain=Domain(uuid="b", name="b"), tenant=Tenant(id="acme")),
    }
    samples = About().samples((), guests, 0.0)
    assert [sample.value for sample in samples if sample.metric is collection.DOMAINS_UNASSIGNED] == [1]


def test_guests_that_are_left_out_count_as_such() -> None:
    """A guest that the configuration leaves out is not unassigned, and one that ended is not counted."""
    guests = {name: Guest(domain=Domain(uuid=name, name=name)) for name in ("a", "b")}
    samples = list(About().samples((), guests, 0.0, frozenset({"b", "ended"})))
    values = {sample.metric: sample.value for sample in samples}
    assert (values[collection.DOMAINS_UNASSIGNED], values[collection.DOMAINS_LEFT_OUT]) == (1, 1)
