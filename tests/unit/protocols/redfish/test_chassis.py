"""The machine around the GPUs: what is requested of it, within limits, and what is shown of it."""

from typing import Any

import pytest

from hostcollector.catalogue import bmc as rows
from hostcollector.protocols.redfish.chassis import MOST_RESOURCES
from hostcollector.protocols.redfish.values import BmcAnswer
from tests.fakes.bmc.baseboard import ROOT, Baseboard, Document
from tests.fakes.bmc.machine import CHASSIS, LOG, MANAGER, members, to
from tests.unit.protocols.redfish.answering import Answered, answer_to

NAME = "HGX_Chassis_0"


def shown(answer: BmcAnswer) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the values of the machine by the row's name, without its prefix, and by labels."""
    assert answer.chassis is not None
    prefix = "hostcollector_host_"
    return {
        (row.name.removeprefix(prefix), labels): it for (row, labels), it in answer.chassis.values.items()
    }


def test_a_machine() -> None:
    """Air, power, supplies, leaks and log entries are read by the links, and health as a number."""
    board = Baseboard(count=1, links=1)
    board.machine.leaks = ["OK", "Critical"]
    board.machine.supplies = ["OK", "Warning", ""]
    expected: dict[tuple[str, tuple[str, ...]], Any] = {
        ("air_temperature_celsius", (NAME, "inlet", "Inlet_0_Temp")): 24.5,
        ("air_temperature_celsius", (NAME, "exhaust", "Exhaust_0_Temp")): 39.0,
        ("leak_detector_state_id", (NAME, "LeakDetector_0")): 0.0,
        ("leak_detector_state_id", (NAME, "LeakDetector_1")): 2.0,
        ("chassis_power_watts", (NAME,)): 6100.0,
        ("power_supply_health_id", (NAME, "PSU_0")): 0.0,
        ("power_supply_health_id", (NAME, "PSU_1")): 1.0,
        ("bmc_log_entries", ("HGX_BMC_0/EventLog", "warning")): 3.0,
        ("bmc_log_entries", ("HGX_BMC_0/EventLog", "critical")): 1.0,
    }
    for number in range(3):
        expected["power_supply_power_watts", (NAME, f"PSU_{number}")] = pytest.approx(6100.0 / 3)
    assert shown(answer_to(board)) == expected


def test_a_log_without_a_filter() -> None:
    """A BMC that cannot filter gives the whole log, once; a log of several pages has no counts."""
    board = Baseboard(count=1, links=1)
    board.machine.filters = False
    answered = Answered(board)
    values = shown(answered.answer())
    assert values["bmc_log_entries", ("HGX_BMC_0/EventLog", "critical")] == 1.0
    assert answered.asked[f"{LOG}/Entries"] == 1
    page = board.document(f"{LOG}/Entries")
    assert page is not None
    page["Members@odata.count"] = 5000
    log = answer_to(board, {f"{LOG}/Entries": page})
    assert not [key for key in shown(log) if key[0] == "bmc_log_entries"]


def test_a_filter_that_is_ignored() -> None:
    """A BMC that promises a filter and counts everything is not believed."""
    board = Baseboard(count=1, links=1)
    everything = {"@odata.id": "x", "Members@odata.count": 24, "Members": [{"Severity": "OK"}]}
    filters = [f"{LOG}/Entries?$filter=Severity%20eq%20%27{one}%27&$top=1" for one in ("Warning", "Critical")]
    values = shown(answer_to(board, dict.fromkeys(filters, everything)))
    assert not [key for key in values if key[0] == "bmc_log_entries"]


class Older(Baseboard):
    """A BMC with the older resources Thermal and Power."""

    def _found(self, path: str) -> Document | None:
        older: dict[str, Document] = {
            CHASSIS: {"Thermal": to(f"{CHASSIS}/Thermal"), "Power": to(f"{CHASSIS}/Power")},
            f"{CHASSIS}/Thermal": {
                "Temperatures": [
                    {"MemberId": "0", "PhysicalContext": "Intake", "ReadingCelsius": 22},
                    {"MemberId": "1", "PhysicalContext": "CPU", "ReadingCelsius": 60},
                    {"PhysicalContext": "Exhaust", "ReadingCelsius": "hot"},
                    7,
                ]
            },
            f"{CHASSIS}/Power": {
                "PowerControl": [{"PowerConsumedWatts": 812}],
                "PowerSupplies": [
                    {"MemberId": "0", "Status": {"Health": "Critical"}, "PowerInputWatts": 0},
                    {"MemberId": "1", "Status": {"State": "Absent"}},
                ],
            },
        }
        return older.get(path) or super()._found(path)


def test_older_resources() -> None:
    """Thermal and Power are read where a chassis has no subsystems; what is no number is left out."""
    values = shown(answer_to(Older(count=1, links=1)))
    assert values["air_temperature_celsius", (NAME, "inlet", "0")] == 22.0
    assert values["chassis_power_watts", (NAME,)] == 812.0
    assert values["power_supply_health_id", (NAME, "0")] == 2.0
    assert values["power_supply_power_watts", (NAME, "0")] == 0.0
    assert len([key for key in values if "log" not in key[0]]) == 4


def test_a_resource_that_fails_is_a_fact() -> None:
    """A leak detector that cannot be read costs itself: the GPUs' readings are whole."""
    board = Baseboard(count=1, links=1)
    detectors = f"{CHASSIS}/ThermalSubsystem/LeakDetection/LeakDetectors"
    answer = answer_to(board, {f"{detectors}/LeakDetector_1": {"nonsense": 1}})
    values = shown(answer)
    assert ("leak_detector_state_id", (NAME, "LeakDetector_0")) in values
    assert ("leak_detector_state_id", (NAME, "LeakDetector_1")) not in values
    assert answer.problems == ()
    assert any("LeakDetector_1" in fact for fact in answer.facts)


class Huge(Baseboard):
    """A BMC that lists a thousand of everything but of GPUs."""

    def _found(self, path: str) -> Document | None:
        many = {
            f"{ROOT}/Chassis": [f"{ROOT}/Chassis/{number}" for number in range(1000)],
            f"{MANAGER}/LogServices": [f"{MANAGER}/LogServices/{number}" for number in range(1000)],
        }
        head, _, last = path.rpartition("/")
        if "GPU" in path:
            return super()._found(path)
        if path in many:
            return members(*many[path])
        if last in {"Sensors", "PowerSupplies", "LeakDetectors"} and f"{ROOT}/Chassis/" in head:
            return members(*(f"{path}/inlet{number}" for number in range(1000)))
        return super()._found(path) or (_anything(path) if "/Metric" not in path else None)


def _anything(path: str) -> Document | None:
    names = ("ThermalSubsystem", "PowerSubsystem", "EnvironmentMetrics", "LeakDetection", "LeakDetectors")
    more = ("Sensors", "PowerSupplies", "Entries", "Metrics")
    found: dict[str, Any] = {name: to(f"{path}/{name}") for name in (*names, *more)}
    return {**found, "PhysicalContext": "Intake", "ReadingType": "Temperature", "Reading": 1}


def test_requests_are_limited() -> None:
    """However much a BMC lists, a round has a fixed number of requests for the machine."""
    answered = Answered(Huge(count=1, links=1))
    answered.answer()
    first = answered.asked.total()
    answered.now += 400
    answered.answer()
    assert answered.asked.total() - first <= MOST_RESOURCES + 40
    assert first < 900


def test_rows_are_of_the_host() -> None:
    """None of the machine's values is a guest's."""
    answer = answer_to(Baseboard(count=1, links=1))
    assert answer.chassis is not None
    assert {row.scope for row, _ in answer.chassis.values} == {rows.REDFISH_UP.scope}


def test_an_unknown_unit_has_no_value() -> None:
    """An inlet in degrees Fahrenheit is not shown as one in degrees Celsius."""
    board = Baseboard(count=1, links=1)
    inlet = board.document(f"{CHASSIS}/Sensors/Inlet_0_Temp")
    assert inlet is not None
    changed = {f"{CHASSIS}/Sensors/Inlet_0_Temp": {**inlet, "ReadingUnits": "[degF]"}}
    assert [key for key in shown(answer_to(board, changed)) if "inlet" in key[1]] == []
