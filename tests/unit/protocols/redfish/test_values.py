"""Values: units, what is no number, wrong types, states of the hardware, and the age of what is said."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hostcollector.catalogue import gpu as gpu_rows
from hostcollector.protocols.redfish.values import REPORTS, BmcAnswer
from tests.fakes.bmc.baseboard import ENVIRONMENT, HEALTH, ROOT, SYSTEM, Baseboard, Document
from tests.fakes.bmc.gb300 import Gb300
from tests.fakes.bmc.hpe import Server
from tests.unit.protocols.redfish.answering import NOW, Answered, answer_to, series
from tests.unit.protocols.redfish.conftest import part

FIRST = f"{SYSTEM}/Processors/GPU_SXM_1"
SENSORS = f"{ROOT}/Chassis/HGX_GPU_SXM_1/Sensors/HGX_GPU_SXM_1"
POWER, ENERGY = ("power_watts", ()), ("energy_joules", ())


def document_of(tree: Baseboard, path: str) -> Document:
    """Return a document of a tree that has it."""
    document = tree.document(path)
    assert document is not None
    return document


@pytest.mark.parametrize(
    ("sensor", "unit", "key", "value"),
    [
        ("Power_0", "W", "power_watts", 310.5),
        ("Power_0", "mW", "power_watts", 0.3105),
        ("Power_0", "kW", "power_watts", 310_500.0),
        ("Power_0", "uW", "power_watts", 0.0003105),
        ("Power_0", "Watts", "power_watts", 310.5),
        ("Power_0", None, "power_watts", 310.5),
        ("Power_0", 7, "power_watts", 310.5),
        ("Voltage_0", "mV", "voltage_volts", 0.0007),
        ("TEMP_0", "Cel", "temperature_celsius", 41.0),
        ("TEMP_0", "K", "temperature_celsius", -232.15),
        ("TEMP_0", "[degF]", "temperature_celsius", 5.0),
        ("TEMP_1", "K", "temperature_headroom_celsius", 54.06),
        ("DRAM_0_Power_0", "mW", "memory_power_watts", 0.06025),
        ("Energy_0", "kJ", "energy_joules", 10**12),
        ("Energy_0", "mJ", "energy_joules", 10**6),
        ("Energy_0", "kW.h", "energy_joules", 3_600_000 * 10**9),
    ],
)
def test_units_of_sensors(sensor: str, unit: object, key: str, value: float) -> None:
    """A sensor's number is of the unit that the sensor says, and the schema's where it says none."""
    tree = Baseboard(count=2, links=1)
    document = document_of(tree, f"{SENSORS}_{sensor}")
    document["ReadingUnits"] = unit
    seen = series(answer_to(tree, {f"{SENSORS}_{sensor}": document}), "GPU_SXM_1")
    assert seen[key, ()] == pytest.approx(value)


@pytest.mark.parametrize("unit", ["A", "RPM", "w", "MWatt", "%", "W/h"])
def test_units_that_are_not_known(unit: str) -> None:
    """A reading in an unknown unit is none, and the sensor and its unit are named."""
    tree = Baseboard(count=2, links=1)
    document = document_of(tree, f"{SENSORS}_Power_0")
    document["ReadingUnits"] = unit
    answer = answer_to(tree, {f"{SENSORS}_Power_0": document})
    assert POWER not in series(answer, "GPU_SXM_1")
    assert series(answer, "GPU_SXM_2")[POWER] == 310.5
    assert any(repr(unit) in problem and "Power_0" in problem for problem in answer.problems)


def reported(path: str, name: str, value: Any, *, board: Baseboard | None = None) -> BmcAnswer:
    """Return the answer of a BMC of which a report has another value for a property."""
    tree = board or Baseboard(count=2, links=1)
    report = document_of(tree, path)
    entry = next(entry for entry in report["MetricValues"] if entry["MetricProperty"] == name)
    entry["MetricValue"] = value
    return answer_to(tree, {path: report})


@pytest.mark.parametrize(
    "text", ["310.5 W", "310,5", "0x1F", "1_000", "three", "1e999", "--", "+-1", "٣", "9" * 99]
)
def test_what_is_no_number_is_counted(text: str) -> None:
    """A value that is not what it should be is left out, counted, and one of them is quoted."""
    answer = reported(ENVIRONMENT, f"{SENSORS}_Power_0", text)
    assert POWER not in series(answer, "GPU_SXM_1")
    assert answer.counts.malformed == 1
    assert any("1 value not understood" in problem and "Power_0" in problem for problem in answer.problems)


@pytest.mark.parametrize("value", ["nan", "NaN", "NA", "N/A", "", " ", None, {}, "null", "Unknown", "none"])
def test_what_says_that_there_is_nothing_is_no_mistake(value: Any) -> None:
    """A value that is said to be missing is missing, and not one that was not understood."""
    answer = reported(ENVIRONMENT, f"{SENSORS}_Power_0", value)
    assert POWER not in series(answer, "GPU_SXM_1")
    assert (answer.counts.malformed, answer.problems) == (0, ())


@pytest.mark.parametrize(("value", "watts"), [(299, 299.0), (0.5, 0.5), (" 310.5 ", 310.5), ("3.1e2", 310.0)])
def test_numbers_in_other_clothes(value: Any, watts: float) -> None:
    """A number that is written as one, with blanks, or with an exponent, is a number."""
    assert series(reported(ENVIRONMENT, f"{SENSORS}_Power_0", value), "GPU_SXM_1")[POWER] == watts


@pytest.mark.parametrize(
    ("text", "health"),
    [("OK", 0.0), ("ok", 0.0), ("WARNING", 1.0), ("Critical", 2.0), ("Fine", None), (True, None)],
)
def test_words_of_health(text: Any, health: float | None) -> None:
    """Health is one of three words, in whatever case; another word is counted."""
    answer = reported(HEALTH, f"{ROOT}/Chassis/HGX_GPU_SXM_1#/Status/Health", text)
    assert series(answer, "GPU_SXM_1").get(("health_id", ())) == health
    assert answer.counts.malformed == (health is None)


@pytest.mark.parametrize(
    ("word", "up"),
    [
        *((word, 1.0) for word in ("LinkUp", "OK", "Up", "linkup")),
        *((word, 0.0) for word in ("LinkDown", "Critical", "Down", "NoLink", "Training", "Starting")),
        *((word, None) for word in ("NA", "", "Warning", "1", "Sideways")),
    ],
)
def test_words_of_links(word: str, up: float | None) -> None:
    """A link is up or down in the words of the schema and of NVIDIA's reports; another word is neither."""
    tree = Gb300()
    tree.links = 2
    path = f"{SYSTEM}/Processors/GPU_0/Ports/NVLink_1"
    document = {"@odata.id": path, "LinkStatus": word}
    assert series(answer_to(tree, {path: document}), "GPU_0").get(("nvlink_up", ("NVLink_1",))) == up


WRONG: list[Any] = [None, [], {}, 7, "text", True, [None], {"a": {}}, 1e300, -1]


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "Status",
        "MemorySummary",
        "Links",
        "Metrics",
        "EnvironmentMetrics",
        "Ports",
        "Id",
        "SerialNumber",
        "UUID",
    ],
)
def test_properties_of_wrong_types(name: str, value: Any) -> None:
    """Whatever type a property of a GPU has, it is found, and the other one is whole."""
    tree = Baseboard(count=2, links=1)
    document = document_of(tree, FIRST)
    document[name] = value
    answer = answer_to(tree, {FIRST: document})
    assert len(answer.gpus) == 2
    assert series(answer, "GPU_SXM_2") == series(answer_to(tree), "GPU_SXM_2")
    assert json.dumps([list(answer.problems)])


@pytest.mark.parametrize("state", ["Disabled", "UnavailableOffline"])
def test_a_gpu_that_is_not_at_work(state: str) -> None:
    """Of a GPU that is switched off only its health is shown, whatever reports still have of it."""
    tree = Baseboard(count=2, links=1)
    document = document_of(tree, FIRST)
    document["Status"] = {"State": state, "Health": "Warning"}
    seen = Answered(tree, {FIRST: document})
    assert set(series(seen.answer(), "GPU_SXM_1")) == {("health_id", ())}
    assert POWER in series(seen.answer(), "GPU_SXM_2")
    seen.changed.clear()
    seen.now += 300
    assert (gpu_rows.POWER, ()) not in part(seen.answer(), REPORTS).readings[FIRST].gauges
    assert (gpu_rows.POWER, ()) in part(seen.answer(), REPORTS).readings[FIRST].gauges


def test_a_socket_without_a_gpu() -> None:
    """An absent processor is no GPU, and is counted as an empty socket."""
    tree = Baseboard(count=2, links=1)
    document = document_of(tree, FIRST)
    document["Status"] = {"State": "Absent"}
    answer = answer_to(tree, {FIRST: document})
    assert ([gpu.name for gpu in answer.gpus.values()], answer.counts.empty) == (["GPU_SXM_2"], 1)


def test_a_gpu_that_goes_away() -> None:
    """A GPU that becomes absent between two walks has no readings from the next look on."""
    tree = Baseboard(count=2, links=1)
    seen = Answered(tree)
    seen.answer()
    document = document_of(tree, FIRST)
    document["Status"] = {"State": "Absent"}
    seen.changed[FIRST] = document
    seen.now += 300
    seen.answer()
    assert POWER not in series(seen.answer(), "GPU_SXM_1")


@pytest.mark.parametrize("state", ["Absent", "Disabled", "UnavailableOffline"])
@pytest.mark.parametrize("name", ["EnvironmentMetrics", "Ports/NVLink1", "Ports/NVLink1/Metrics"])
def test_parts_that_are_not_at_work(state: str, name: str) -> None:
    """What a part says that is switched off is not shown, and a sum does not wait for it."""
    server = Server()
    path = f"{server.gpus[0]}/{name}"
    server.documents[path]["Status"] = {"State": state}
    seen = series(answer_to(server), "3")
    assert (POWER in seen) == (name != "EnvironmentMetrics")
    assert (("nvlink_up", ("NVLink1",)) in seen) == (name != "Ports/NVLink1")
    # Its counters are counted while they are reported: the sum must not fall.
    assert seen["nvlink_receive_bytes", ()] == (2002 if name.endswith("/Metrics") else 3003)


def test_a_link_whose_counters_fail_spoils_the_sum() -> None:
    """A sum without one of the links that the GPU has would look like a counter that was reset."""
    server = Server()
    seen = series(answer_to(server, {f"{server.gpus[0]}/Ports/NVLink1/Metrics": None}), "3")
    assert ("nvlink_receive_bytes", ()) not in seen
    assert ("nvlink_up", ("NVLink1",)) in seen


def stamped(change: Any, path: str = ENVIRONMENT) -> BmcAnswer:
    """Return the answer of a BMC whose report has other time stamps: `change` is called with each entry."""
    tree = Baseboard(count=8, links=1)
    report = document_of(tree, path)
    for entry in report["MetricValues"]:
        change(entry)
    return answer_to(tree, {path: report})


def of_first(stamp: Any) -> Any:
    """Return what gives the entries of the first GPU another time stamp."""

    def change(entry: Document) -> None:
        if "GPU_SXM_1/" in entry["MetricProperty"]:
            entry["Timestamp"] = stamp

    return change


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-05-03T10:11:12+00:00",
        "2026-05-03T10:11:12Z",
        "2026-05-03T10:11:12",
        "1970-01-01T00:00:01Z",
        "2026-05-03",
    ],
)
def test_values_of_yesterday(stamp: str) -> None:
    """What a GPU read yesterday, by the report's own stamps, is not shown as of now; the others are."""
    answer = stamped(of_first(stamp))
    assert POWER not in series(answer, "GPU_SXM_1")
    assert ENERGY not in series(answer, "GPU_SXM_1")
    assert series(answer, "GPU_SXM_2")[POWER] == 310.5
    assert any("older than the others" in problem and ENVIRONMENT in problem for problem in answer.problems)


@pytest.mark.parametrize(
    "stamp",
    [
        *(None, "", "yesterday", 7, [], "2026-05-04", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z"),
        *(
            "2026-05-04T10:11:12.5+00:00",
            "2026-05-04T10:09:12Z",
            "2026-05-04T12:11:12+02:00",
            "T",
            "2099-01-01",
        ),
    ],
)
def test_stamps_that_tell_of_no_age(stamp: Any) -> None:
    """A stamp that is none, lies in the future, or is a little older, takes no value away."""
    answer = stamped(of_first(stamp))
    if stamp not in ("2026-05-04", "0001-01-01T00:00:00+23:59"):
        assert series(answer, "GPU_SXM_1")[POWER] == 310.5
    assert series(answer, "GPU_SXM_2")[POWER] == 310.5


def test_a_clock_that_is_wrong_altogether() -> None:
    """A BMC that lives in another year is read as usual: only its own stamps are compared."""
    for year in ("1970-01-01T00:00:07Z", "2031-01-01T00:00:00Z"):
        answer = stamped(lambda entry, year=year: entry.update(Timestamp=year))
        assert (series(answer, "GPU_SXM_1")[POWER], answer.problems) == (310.5, ())


def test_a_value_that_comes_twice() -> None:
    """Of two entries of one property the later one counts, in whichever order they come."""
    tree = Baseboard(count=2, links=1)
    now = datetime.fromtimestamp(NOW, UTC)
    for order in (1, -1):
        report = document_of(tree, ENVIRONMENT)
        twice = [
            {
                "MetricProperty": f"{SENSORS}_Power_0",
                "MetricValue": str(watts),
                "Timestamp": (now - timedelta(seconds=age)).isoformat(),
            }
            for watts, age in ((111, 60), (222, 0))
        ]
        report["MetricValues"] += twice[::order]
        assert series(answer_to(tree, {ENVIRONMENT: report}), "GPU_SXM_1")[POWER] == 222.0


def test_blanks_do_not_overwrite() -> None:
    """What a GPU said of itself is kept while its resource says nothing, or is no resource."""
    tree = Baseboard(count=2, links=1)
    seen = Answered(tree)
    gpu = seen.answer().gpus[FIRST]
    document = document_of(tree, FIRST)
    document.update(SerialNumber=None, UUID="", Model=7, FirmwareVersion=[], Status=None)
    nothings: list[Any] = [document, {"@odata.id": FIRST}, {"error": {"message": "busy"}}, None, [], "x"]
    for nothing in nothings:
        seen.changed[FIRST] = nothing
        seen.now += 300
        assert seen.answer().gpus[FIRST] == gpu
    document["SerialNumber"] = "9999"
    seen.changed[FIRST] = document
    seen.now += 300
    assert seen.answer().gpus[FIRST].serial == "9999"


def test_stale_marks_as_text() -> None:
    """A value that is marked as stale is none, also where the mark is written as a text."""
    tree = Baseboard(count=2, links=1)
    for mark, shown in (
        (True, False),
        ("true", False),
        ("True", False),
        (False, True),
        ("false", True),
        (None, True),
    ):
        report = document_of(tree, ENVIRONMENT)
        for entry in report["MetricValues"]:
            entry["Oem"] = {"Nvidia": {"MetricValueStale": mark}}
        assert (POWER in series(answer_to(tree, {ENVIRONMENT: report}), "GPU_SXM_1")) == shown


def test_two_gpus_that_share_a_resource() -> None:
    """What two GPUs link to as their own is neither's."""
    tree = Baseboard(count=3, links=1)
    document = document_of(tree, f"{SYSTEM}/Processors/GPU_SXM_2")
    document["Metrics"] = {"@odata.id": f"{FIRST}/ProcessorMetrics"}
    answer = answer_to(tree, {f"{SYSTEM}/Processors/GPU_SXM_2": document})
    for number, known in ((1, False), (2, False), (3, True)):
        assert (("throttle_seconds", ("power",)) in series(answer, f"GPU_SXM_{number}")) == known


def test_a_report_that_keeps_its_past() -> None:
    """Of a report that appends to what it had, the latest values are shown and none of them is old."""
    tree = Baseboard(count=2, links=1)
    report = document_of(tree, ENVIRONMENT)
    report["MetricValues"] += [
        {**entry, "MetricValue": "1", "Timestamp": f"2026-05-03T{hour:02}:00:00Z"}
        for hour in range(1, 12)
        for entry in report["MetricValues"]
    ]
    answer = answer_to(tree, {ENVIRONMENT: report})
    assert (series(answer, "GPU_SXM_1")[POWER], answer.problems) == (310.5, ())


def test_a_report_that_does_not_change() -> None:
    """A report whose stamps do not change is pointed out, as no trouble: it may be made on change only."""
    seen = Answered(Baseboard(count=2, links=1))
    assert seen.answer().facts == ()
    seen.now += 1000
    answer = seen.answer()
    assert [fact for fact in answer.facts if fact.startswith(f"{ENVIRONMENT} has had the same time stamps")]
    assert (series(answer, "GPU_SXM_1")[POWER], answer.problems) == (310.5, ())
    report = document_of(Baseboard(count=2, links=1), ENVIRONMENT)
    for entry in report["MetricValues"]:
        entry["Timestamp"] = "2026-05-04T10:30:00Z"
    seen.changed[ENVIRONMENT] = report
    assert not [fact for fact in seen.answer().facts if ENVIRONMENT in fact]
