"""What is counted, logged and shown about the sources of the collections so far."""

import logging
from dataclasses import replace

import pytest

from hostcollector.base.definition import Domain
from hostcollector.base.errors import Reason
from hostcollector.base.log import Transitions
from hostcollector.base.model import Guest, Report, SourceState, Tenant
from hostcollector.catalogue import collection
from hostcollector.collection.about import LIBVIRT_SOURCE, About, History, Loaded

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
    errors, reason = collection.SOURCE_ERRORS.name, collection.SOURCE_ERROR_INFO.name
    assert before[errors, "steady"] == 0
    assert not [key for key in before if key[0] == reason]
    for report, taken_at in ((OK, 100.0), (PARTIAL, 200.0), (FAILED, 300.0)):
        about.count(report, taken_at)
    values = _values(about, FAILED)
    success = collection.SOURCE_LAST_SUCCESS.name
    assert (success, "steady") not in before
    assert (values[errors, "steady"], values[success, "steady"]) == (1, 200.0)
    assert values[reason, "steady", "denied"] == 1
    assert (collection.SOURCE_MISSING.name, "steady") not in values
    assert _values(about, PARTIAL)[collection.SOURCE_MISSING.name, "steady"] == 2


def test_each_source_has_one_reason_its_last_one() -> None:
    """So a join of the counter with the reason finds one partner, whatever has failed before."""
    about = About()
    for why in (Reason.DENIED, Reason.TIMEOUT):
        about.count(replace(FAILED, reason=why), 100.0)
    reasons = [key for key in _values(about, OK) if key[0] == collection.SOURCE_ERROR_INFO.name]
    assert reasons == [(collection.SOURCE_ERROR_INFO.name, "steady", "timeout")]


def test_a_source_that_is_off_has_one_series() -> None:
    """It is neither up nor down, and has no errors to count."""
    off = Report(source="redfish", state=SourceState.OFF, off="redfish.url is not set")
    about = About()
    about.count(off, 100.0)
    assert [key for key in _values(about, off) if "redfish" in key] == [
        (collection.SOURCE_OFF.name, "redfish")
    ]


def test_what_was_counted_outlives_a_reload() -> None:
    """A reload makes everything anew around the history: counters go on, the last success is known."""
    history = History()
    before = About(history=history)
    before.count(FAILED, 100.0)
    before.count(OK, 200.0)
    values = _values(About(history=history), OK)
    assert values[collection.SOURCE_ERRORS.name, "steady"] == 1
    assert values[collection.SOURCE_LAST_SUCCESS.name, "steady"] == 200.0


def test_the_configuration_in_use_is_shown() -> None:
    """A refused reload is seen; the digest and the time remain those of the configuration in use."""
    loaded = Loaded(at=50.0)
    assert [sample.metric for sample in loaded.samples()] == [
        collection.CONFIG_RELOADED,
        collection.CONFIG_LOADED,
    ]
    loaded.take("abc", 100.0)
    loaded.refused = True
    assert [(sample.value, sample.labels) for sample in loaded.samples()] == [
        (1.0, ("abc",)),
        (0.0, ()),
        (100.0, ()),
    ]


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
