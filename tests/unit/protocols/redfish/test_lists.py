"""Each list of a BMC: one bad item among good ones costs itself and a note; pages are read to the end."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostcollector.base.errors import SourceMalformedError, SourceTimeoutError, SourceUnavailableError
from hostcollector.protocols.redfish.values import BmcAnswer
from hostcollector.protocols.rest.refusals import BusyError, NotAllowedError, TokenRefusedError
from tests.fakes.bmc.baseboard import (
    ENVIRONMENT,
    HEALTH,
    MEMORY,
    PORTS,
    PROCESSOR,
    REPORTS,
    ROOT,
    SYSTEM,
    Baseboard,
    Document,
)
from tests.fakes.bmc.gb300 import HOST_SYSTEM, Gb300
from tests.unit.protocols.redfish.answering import Answered, Still, answer_to, series

BAD = f"{ROOT}/Bad"
"""Where a bad member leads to."""


def small() -> Gb300:
    """Return a node with few links."""
    tree = Gb300()
    tree.links = 2
    return tree


FIRST = f"{SYSTEM}/Processors/GPU_0"
LISTS = (
    *(f"{ROOT}/Systems", f"{SYSTEM}/Processors", f"{HOST_SYSTEM}/Processors", REPORTS),
    *(f"{ROOT}/Chassis/HGX_GPU_0/Sensors", f"{FIRST}/Ports"),
)
STILL = Still(small())
PLAIN = answer_to(STILL)
EVERYTHING = {gpu.name: series(PLAIN, gpu.name) for gpu in PLAIN.gpus.values()}

JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    (
        *("Id", "ProcessorType", "Links", "Status", "Members", "MetricValues", "Reading", "ReadingType"),
        *("Processors", "Sensors", "Members@odata.nextLink", "Members@odata.count", "error", "Metrics"),
        *("MemorySummary", "EnvironmentMetrics", "Ports", "RelatedItem", "PhysicalContext", "ReadingUnits"),
    )
)
NO_LINKS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text() | st.just([]) | st.fixed_dictionaries({"x": JUNK})
) | st.builds(lambda value: {"@odata.id": value}, st.none() | st.integers() | st.just("") | st.just("x"))
ERRORS = st.sampled_from(
    (
        SourceUnavailableError("answered 500"),
        SourceTimeoutError("no answer within 10 s"),
        SourceMalformedError("answered with something that is not JSON"),
        NotAllowedError("is not for this account (403)"),
        None,
    )
)
RESOURCES = JUNK | st.dictionaries(NAMES, JUNK).map(lambda it: {"@odata.id": BAD, **it})


def unharmed(answer: BmcAnswer) -> None:
    """Assert that everything is shown as without the bad item."""
    shown = {gpu.name: series(answer, gpu.name) for gpu in answer.gpus.values() if gpu.path != BAD}
    assert shown == EVERYTHING


@given(where=st.sampled_from(LISTS), item=NO_LINKS, at=st.integers(0, 30))
@settings(max_examples=40)
def test_a_member_that_is_no_link(where: str, item: Any, at: int) -> None:
    """Whatever is among the members of a list, the others are read, and it is said."""
    document = small().document(where)
    assert document is not None
    document["Members"].insert(at, item)
    answer = answer_to(STILL, {where: document})
    unharmed(answer)
    assert answer.counts.unread == 1
    assert [note for note in answer.problems if where in note]


@given(where=st.sampled_from(LISTS), resource=ERRORS | RESOURCES, at=st.integers(0, 30))
@settings(max_examples=50)
def test_a_member_that_is_no_good(where: str, resource: Any, at: int) -> None:
    """Whatever a member answers, or does not, the others are read."""
    document = small().document(where)
    assert document is not None
    document["Members"].insert(at, {"@odata.id": BAD})
    answer = answer_to(STILL, {where: document, BAD: resource})
    unharmed(answer)
    if not isinstance(resource, dict) and "Ports" not in where:
        assert [note for note in answer.problems if BAD in note]


ENTRIES = JUNK | st.dictionaries(
    st.sampled_from(("MetricProperty", "MetricValue", "MetricId", "Timestamp", "Oem")), JUNK
)


@given(
    where=st.sampled_from((ENVIRONMENT, PROCESSOR, MEMORY, PORTS, HEALTH)),
    item=ENTRIES,
    at=st.integers(0, 99),
)
@settings(max_examples=40)
def test_a_value_of_a_report_that_is_no_good(where: str, item: Any, at: int) -> None:
    """Whatever is among the values of a report, the others are shown."""
    document = small().document(where)
    assert document is not None
    document["MetricValues"].insert(at, item)
    answer = answer_to(STILL, {where: document})
    unharmed(answer)
    if not isinstance(item, dict):
        assert [note for note in answer.problems if where in note]


@given(
    kind=st.sampled_from(("MetricValue", "Timestamp", "Oem")),
    value=JUNK,
    where=st.sampled_from((ENVIRONMENT, PROCESSOR, MEMORY, HEALTH)),
    at=st.integers(0, 10**6),
)
@settings(max_examples=40)
def test_a_good_value_that_is_spoilt(kind: str, value: Any, where: str, at: int) -> None:
    """A value, its stamp or its marks may be anything: the other GPUs' values are as they were."""
    document = small().document(where)
    assert document is not None
    entry = document["MetricValues"][at % len(document["MetricValues"])]
    entry[kind] = value
    answer = answer_to(STILL, {where: document})
    for name, values in EVERYTHING.items():
        assert name in entry["MetricProperty"] or series(answer, name) == values


@given(place=st.integers(0, 10**6), resource=ERRORS | RESOURCES)
@settings(max_examples=50)
def test_a_resource_of_a_gpu_that_is_spoilt(place: int, resource: Any) -> None:
    """Any one resource of a GPU may be anything: the other GPUs are shown as before."""
    own = sorted(path for path in STILL.documents if "GPU_0" in path)
    answer = answer_to(STILL, {own[place % len(own)]: resource})
    for name, values in EVERYTHING.items():
        assert name == "GPU_0" or series(answer, name) == values


def paged(paths: list[str], size: int, onward: str = "{path}?$skip={skip}") -> dict[str, Document]:
    """Return the pages of the processors."""
    path = f"{SYSTEM}/Processors"
    pages: dict[str, Document] = {}
    for skip in range(0, len(paths), size):
        key = f"{path}?$skip={skip}" if skip else path
        pages[key] = {"@odata.id": path, "Members": [{"@odata.id": one} for one in paths[skip : skip + size]]}
        pages[key]["Members@odata.count"] = len(paths)
        if skip + size < len(paths):
            pages[key]["Members@odata.nextLink"] = onward.format(path=path, skip=skip + size)
    return pages


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("onward", ["{path}?$skip={skip}", "?$skip={skip}", "Processors?$skip={skip}"])
def test_lists_in_pages(size: int, onward: str) -> None:
    """A list that comes in pages is read to its end, by whole and by relative links."""
    tree = Baseboard(links=1)
    pages = paged([f"{SYSTEM}/Processors/{gpu.name}" for gpu in tree.gpus], size, onward)
    answer = answer_to(tree, pages)
    assert (len(answer.gpus), answer.problems) == (8, ())


def pages_of_two(onward: Any) -> BmcAnswer:
    """Return the answer of a BMC whose first page has two of eight GPUs and leads on to somewhere."""
    tree = Baseboard(links=1)
    pages = paged([f"{SYSTEM}/Processors/{gpu.name}" for gpu in tree.gpus], 2)
    pages[f"{SYSTEM}/Processors"]["Members@odata.nextLink"] = onward
    return answer_to(tree, pages)


@pytest.mark.parametrize(
    "onward",
    [
        f"{SYSTEM}/Processors",  # itself
        f"{SYSTEM}/Nothing",
        f"{SYSTEM}/Processors/GPU_SXM_1",  # no list
        {"@odata.id": f"{SYSTEM}/Processors"},
        "http://plain.example/",
        "https://[",
        7,
        None,
        "",
        [],
    ],
)
def test_pages_that_lead_nowhere(onward: Any) -> None:
    """What the first page has is shown, and it is said that it was not all."""
    answer = pages_of_two(onward)
    assert len(answer.gpus) == 2
    assert any("it gives 2 of its 8" in problem for problem in answer.problems)


def test_pages_without_an_end() -> None:
    """A list that always has another page is left after some hundred pages."""

    class Endless(Baseboard):
        def _found(self, path: str) -> Document | None:
            head, _, skip = path.partition("?$skip=")
            if head != f"{SYSTEM}/Processors":
                return super()._found(path)
            onward = f"{head}?$skip={int(skip or 0) + 1}"
            member = {"@odata.id": f"{head}/{self.gpus[0].name}"}
            return {"Members": [member], "Members@odata.nextLink": onward}

    shown = Answered(Endless(count=1, links=1))
    answer = shown.answer()
    assert len(answer.gpus) == 1
    assert sum("?$skip=" in path for path in shown.asked) < 300
    assert any("pages of the list do not end" in problem for problem in answer.problems)


@pytest.mark.parametrize("count", [True, "8", None, -1, 1.5, [], 2**70])
def test_a_count_that_is_none(count: Any) -> None:
    """Only a number that is larger than the list says that something is missing."""
    tree = Baseboard(count=2, links=1)
    document = tree.document(f"{SYSTEM}/Processors")
    assert document is not None
    document["Members@odata.count"] = count
    answer = answer_to(tree, {f"{SYSTEM}/Processors": document})
    assert len(answer.gpus) == 2
    assert bool(answer.problems) == (count == 2**70)


def test_more_members_than_anything_has() -> None:
    """Of a list without an end in one page the first thousands are looked at."""
    tree = Baseboard(count=1, links=1)
    many = [{"@odata.id": f"{SYSTEM}/Processors/None_{number}"} for number in range(5000)]
    document = {"@odata.id": "x", "Members": [{"@odata.id": f"{SYSTEM}/Processors/GPU_SXM_1"}, *many]}
    answer = answer_to(tree, {f"{SYSTEM}/Processors": document})
    assert len(answer.gpus) == 1
    assert any("more than 4096" in problem for problem in answer.problems)
    assert len(answer.problems) < 30


def test_a_slow_bmc_is_not_waited_for() -> None:
    """When the time for a walk is over what was found by then is shown, and the rest is counted."""
    shown = Answered(Baseboard(count=8, links=1))
    shown.seconds_each = 1.0
    answer = shown.answer()
    assert len(answer.gpus) == 8
    assert answer.counts.unread
    assert any("the BMC is slow" in problem for problem in answer.problems)


@pytest.mark.parametrize("error", [BusyError("busy", 5.0), TokenRefusedError("asks for another login (401)")])
def test_what_concerns_the_whole_bmc_ends_the_round(error: Exception) -> None:
    """A BMC that wants its peace, or takes no login, is asked for nothing more."""
    shown = Answered(Baseboard(count=2, links=1), {f"{SYSTEM}/Processors/GPU_SXM_1": error})
    with pytest.raises(type(error)):
        shown.answer()


def test_another_walk_that_fails_takes_nothing_away() -> None:
    """What was found an hour ago is kept while the BMC does not show it again."""
    shown = Answered(Baseboard(count=2, links=1))
    shown.answer()
    shown.now += 3600
    for path in (f"{SYSTEM}/Processors/GPU_SXM_1", f"{SYSTEM}/Processors", f"{ROOT}/Systems", ROOT):
        shown.changed[path] = SourceUnavailableError("answered 500")
        shown.now += 3600
        answer = shown.answer()
        assert (len(answer.gpus), bool(answer.problems)) == (2, True)
        assert series(answer, "GPU_SXM_1")["power_watts", ()] == 310.5


@pytest.mark.parametrize("path", [f"{ROOT}/Chassis/HGX_GPU_SXM_1", f"{ROOT}/Chassis/HGX_GPU_SXM_1/Sensors"])
def test_a_sensor_that_is_not_shown_again_is_known(path: str) -> None:
    """What a sensor is of does not change because the BMC does not say it once more."""
    shown = Answered(Baseboard(count=2, links=1))
    shown.answer()
    shown.now += 3600
    shown.changed[path] = SourceUnavailableError("answered 500")
    assert series(shown.answer(), "GPU_SXM_1")["power_watts", ()] == 310.5


def test_a_gpu_that_is_taken_out_is_gone() -> None:
    """A GPU that is no member any more is none after the next walk."""
    tree = Baseboard(count=2, links=1)
    shown = Answered(tree)
    shown.answer()
    shown.now += 3600
    del tree.gpus[0]
    assert [gpu.name for gpu in shown.answer().gpus.values()] == ["GPU_SXM_2"]


def test_a_report_that_fails_in_another_walk_is_asked_again() -> None:
    """A report that could not be read when it was looked for is still one that has the GPUs."""
    shown = Answered(Baseboard(count=2, links=1))
    shown.answer()
    shown.now += 3600
    shown.changed[ENVIRONMENT] = SourceUnavailableError("answered 500")
    assert ("power_watts", ()) not in series(shown.answer(), "GPU_SXM_1")
    shown.changed.clear()
    assert series(shown.answer(), "GPU_SXM_1")["power_watts", ()] == 310.5


def test_nothing_is_asked_after_the_conversation() -> None:
    """Questions that were still on their way when one ends the round are given up."""
    tree = Baseboard(count=2, links=1)
    shown = Answered(tree, {f"{SYSTEM}/Processors/GPU_SXM_1": BusyError("busy", 0.0)})

    async def ask() -> int:
        with pytest.raises(BusyError):
            await shown.rounds.next(shown)
        asked = shown.asked.total()
        await asyncio.sleep(0)
        return shown.asked.total() - asked

    assert asyncio.run(ask()) == 0


@pytest.mark.parametrize("name", ["Huge", "Links", "Status", "Members", "Description", "MemorySummary"])
def test_a_walk_keeps_nothing_huge(name: str) -> None:
    """What a resource has beside what is looked at is not held from one walk to the next."""
    tree = Baseboard(count=1, links=1)
    document = tree.document(f"{SYSTEM}/Processors/GPU_SXM_1")
    assert document is not None
    document[name] = "x" * 100_000 if name == "Description" else [[[]]] * 100_000
    shown = Answered(tree, {f"{SYSTEM}/Processors/GPU_SXM_1": document})
    assert len(shown.answer().gpus) == 1
    (kept,) = (found for path, found in shown.rounds._resources.items() if path.endswith("/GPU_SXM_1"))
    assert len(json.dumps(kept)) < 40_000
