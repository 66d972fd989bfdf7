"""A collection takes what every source has at the deadline, and one source costs no other."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial

import pytest

from hostcollector.base.errors import Reason, SourceDeniedError
from hostcollector.base.model import Report, Sample, Snapshot, SourceState
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import collection, host
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import IN_COLLECTION, USUALLY, Collector, Guests


class _Scripted(Source):
    """A source that does what the test says."""

    def __init__(self, name: str, read: Callable[[Request], Reading]) -> None:
        self.name = name
        self.reads = 0
        self.closed = threading.Event()
        self._read = read

    def read(self, request: Request) -> Reading:
        self.reads += 1
        return self._read(request)

    def close(self) -> None:
        self.closed.set()


def _answering(name: str = "steady") -> _Scripted:
    return _Scripted(name, lambda _request: Reading(samples=[Sample(host.CPUS_ONLINE, 2)]))


class _Clock:
    """The monotonic clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Let stuck sources go at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def _collector(
    *sources: Source,
    maximum_age: float = 0.0,
    budget: float = 8.0,
    clock: Callable[[], float] = time.monotonic,
) -> Collector:
    return Collector(sources, Assembler(), Guests(dict), budget=budget, maximum_age=maximum_age, clock=clock)


def _report(snapshot: Snapshot, name: str) -> Report:
    return next(report for report in snapshot.reports if report.source == name)


def _value(snapshot: Snapshot, name: str, *labels: str) -> object:
    family = next(family for family in snapshot.families if family.metric.name == name)
    return family.series[labels]


def test_a_stuck_source_costs_its_own_series_only(release: threading.Event) -> None:
    """At the deadline the other source's series are there, and the stuck one is named with its reason."""

    def hang(_request: Request) -> Reading:
        release.wait()
        return Reading(samples=())

    stuck = _Scripted("stuck", hang)
    collector = _collector(_answering(), stuck, budget=0.2)
    first = collector.snapshot().result(timeout=30)
    second = collector.snapshot().result(timeout=30)
    assert _value(first, host.CPUS_ONLINE.name) == 2
    assert _report(first, "stuck").reason is Reason.TIMEOUT
    assert _report(second, "stuck").reason is Reason.BUSY
    assert stuck.reads == 1
    assert _value(second, collection.SOURCE_UP.name, "stuck") == 0
    assert _value(second, collection.SOURCE_UP.name, "steady") == 1
    collector.close()


def test_a_collection_that_exists_serves_a_page_that_may_be_older() -> None:
    """A scrape of the tenant page makes no collection, so no call to libvirt, while the last one is young."""
    clock, source = _Clock(), _answering()
    collector = _collector(source, clock=clock)
    first = collector.snapshot().result(timeout=30)
    clock.ahead = 14
    assert collector.snapshot(8.0, maximum_age=15.0).result(timeout=30) is first
    assert source.reads == 1
    clock.ahead = 16
    assert collector.snapshot(8.0, maximum_age=15.0).result(timeout=30) is not first
    assert source.reads == 2
    collector.close()


def test_an_older_page_does_not_wait_for_the_running_collection(release: threading.Event) -> None:
    """While a source hangs, the last collection is still there."""

    def hang(_request: Request) -> Reading:
        if source.reads > 1:
            release.wait()
        return Reading(samples=())

    source = _Scripted("slow", hang)
    collector = _collector(source, budget=30)
    first = collector.snapshot().result(timeout=30)
    running = collector.snapshot()
    assert collector.snapshot(8.0, maximum_age=15.0).result(timeout=30) is first
    assert not running.done()
    release.set()
    collector.close()


def test_an_error_is_reported_with_its_reason_and_fix() -> None:
    """A typed error's text reaches the report; anything else is an internal error."""

    def deny(_request: Request) -> Reading:
        raise SourceDeniedError("join the group libvirt")

    def fail(_request: Request) -> Reading:
        raise ZeroDivisionError

    collector = _collector(_Scripted("denied", deny), _Scripted("broken", fail))
    snapshot = collector.snapshot().result(timeout=30)
    denied = _report(snapshot, "denied")
    assert (denied.state, denied.reason) == (SourceState.FAILED, Reason.DENIED)
    assert denied.notes == ("join the group libvirt",)
    assert _report(snapshot, "broken").reason is Reason.INTERNAL
    assert _value(snapshot, collection.SOURCE_ERRORS.name, "denied") == 1
    collector.close()


def test_scrapes_share_a_collection_while_it_runs_and_shortly_after() -> None:
    """Two Prometheus servers cost one collection; an old one is not given again."""
    begun, go_on = threading.Event(), threading.Event()

    def wait_then_answer(_request: Request) -> Reading:
        begun.set()
        go_on.wait(5)
        return Reading(samples=())

    clock = _Clock()
    source = _Scripted("slow", wait_then_answer)
    collector = _collector(source, maximum_age=1.0, clock=clock)
    first = collector.snapshot()
    assert begun.wait(30)
    assert collector.snapshot() is first
    go_on.set()
    assert collector.snapshot().result(timeout=30) is first.result(timeout=10)
    clock.ahead += 2
    collector.snapshot().result(timeout=30)
    assert source.reads == 2
    collector.close()


def test_a_client_with_less_time_gets_what_is_there_and_hurries_no_source() -> None:
    """When its time is over it gets a page without the slow source, and the others get one with it."""
    go_on = threading.Event()

    def wait_then_answer(_request: Request) -> Reading:
        go_on.wait(30)
        return Reading(samples=[Sample(host.CPUS_ONLINE, 3)])

    slow = _Scripted("slow", wait_then_answer)
    collector = _collector(slow, _answering(), budget=60.0)
    patient, hurried = collector.snapshot(), collector.snapshot(1.2)
    early = hurried.result(timeout=30)
    assert (_report(early, "slow").reason, _report(early, "steady").state) == (Reason.TIMEOUT, SourceState.OK)
    assert _value(early, collection.SOURCE_ERRORS.name, "slow") == 0
    go_on.set()
    whole = patient.result(timeout=30)
    assert _report(whole, "slow").state is SourceState.OK
    assert _value(whole, collection.SOURCE_ERRORS.name, "slow") == 0
    assert (slow.reads, collector._runners[0].misses) == (1, 0)
    collector.close()


@pytest.mark.parametrize("patience", [1e-9, 0.0, 0.3, 0.99])
def test_a_client_with_next_to_no_time_costs_nothing(patience: float) -> None:
    """Below a second there is no look: it gets the collection, if it waits, like every other client."""
    collector = _collector(_answering())
    looked = [collector.snapshot(patience) for _ in range(100)]
    assert len({id(future) for future in looked}) == 1
    assert _report(looked[0].result(timeout=30), "steady").state is SourceState.OK
    collector.close()


def test_many_clients_with_little_time_share_a_few_looks(release: threading.Event) -> None:
    """However many different times clients have, what is there is put together every half second at most."""

    def hang(_request: Request) -> Reading:
        release.wait()
        return Reading(samples=())

    collector = _collector(_Scripted("stuck", hang), budget=600.0)
    looks = {id(collector.snapshot(1.1 + number / 1000)) for number in range(1000)}
    assert len(looks) <= 4
    collector.close()


def test_who_waits_still_gets_an_answer_from_a_collector_that_is_replaced() -> None:
    """Its sources are closed after the running collection, not in the middle of it."""
    begun, go_on = threading.Event(), threading.Event()

    def wait_then_answer(_request: Request) -> Reading:
        begun.set()
        go_on.wait(30)
        return Reading(samples=())

    source = _Scripted("slow", wait_then_answer)
    collector = _collector(source)
    waiting = collector.snapshot()
    assert begun.wait(30)
    collector.retire()
    assert not source.closed.is_set()
    go_on.set()
    assert _report(waiting.result(timeout=30), "slow").state is SourceState.OK
    assert source.closed.wait(30)


def test_a_source_that_misses_its_deadlines_is_left_alone_for_a_while() -> None:
    """After a few misses in a row no further time is spent on it until the pause is over."""
    clock = _Clock()
    pending: list[threading.Event] = []

    def late(_request: Request) -> Reading:
        event = threading.Event()
        pending.append(event)
        event.wait(5)
        return Reading(samples=())

    source = _Scripted("late", late)
    collector = _collector(source, budget=0.05, clock=clock)
    for _ in range(3):
        assert _report(collector.snapshot().result(timeout=30), "late").reason is Reason.TIMEOUT
        pending[-1].set()
        _settle(collector)
    assert _report(collector.snapshot().result(timeout=30), "late").reason is Reason.BACKOFF
    assert source.reads == 3
    clock.ahead += 10
    collector.snapshot().result(timeout=30)
    assert source.reads == 4
    pending[-1].set()
    collector.close()


def _settle(collector: Collector) -> None:
    """Wait until every lane has returned."""
    waiting = threading.Event()
    while any(runner.lane.busy for runner in collector._runners):
        waiting.wait(0.01)


def test_libvirt_is_up_when_it_answered_in_this_very_collection() -> None:
    """The source that always asks decides; one that had no guest to ask about says nothing."""

    def fail(_request: Request) -> Reading:
        raise SourceDeniedError("no")

    up = _collector(_answering("libvirt_state")).snapshot().result(timeout=30)
    down = (
        _collector(_Scripted("libvirt_state", fail), _answering("libvirt_monitor"))
        .snapshot()
        .result(timeout=30)
    )
    assert (_value(up, "libvirt_up"), _value(down, "libvirt_up")) == (1, 0)


def test_closing_closes_every_idle_source() -> None:
    """Each source is closed in its own lane."""
    sources = [_answering("one"), _answering("two")]
    collector = _collector(*sources)
    snapshot: Future[Snapshot] = collector.snapshot()
    snapshot.result(timeout=30)
    collector.close()
    assert all(source.closed.wait(30) for source in sources)


def test_sources_know_whether_all_guests_are_known() -> None:
    """Before the first listing a device without a known owner may be any guest's."""
    shown: list[bool] = []

    def look(request: Request) -> Reading:
        shown.append(request.guests_listed)
        return Reading(samples=())

    for listed in (False, True):
        collector = Collector([_Scripted("curious", look)], Assembler(), Guests(dict, partial(bool, listed)))
        collector.snapshot().result(timeout=30)
        collector.close()
    assert shown == [False, True]


class _Background(_Scripted):
    """A source whose close goes on in the background."""

    def wait_closed(self, seconds: float) -> None:
        self.closed.wait(seconds)


def test_the_end_waits_for_what_is_closed_in_the_background() -> None:
    """Sources that close in the background are waited for, others and late ones are not."""
    source = _Background("background", lambda _: Reading(samples=()))
    collector = _collector(source, _answering())
    collector.wait_closed(0.0)
    assert not source.closed.is_set()
    collector.close()
    collector.wait_closed(20.0)
    assert source.closed.is_set()


def test_cycles_are_looked_for_seldom_in_a_collection_only() -> None:
    """Samples are no cycles; what hostile clients leave between collections is found at the usual pace."""
    during: list[tuple[int, int, int]] = []

    def read(_request: Request) -> Reading:
        during.append(gc.get_threshold())
        return Reading(samples=[])

    _collector(_Scripted("curious", read)).snapshot().result(10)
    assert during == [IN_COLLECTION]
    assert gc.get_threshold() == USUALLY
