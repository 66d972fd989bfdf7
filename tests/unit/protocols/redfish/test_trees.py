"""BMCs of other makes and generations: what only their resources say, and what they say that cannot be."""

import pytest

from hostcollector.catalogue import bmc as bmc_rows
from hostcollector.catalogue import gpu as gpu_rows
from hostcollector.protocols.redfish.values import REPORTS
from tests.fakes.bmc.baseboard import REPORTS as REPORT_LIST
from tests.fakes.bmc.baseboard import ROOT, SYSTEM, Baseboard
from tests.fakes.bmc.gb300 import HOST_SYSTEM, Gb300
from tests.fakes.bmc.hpe import Server
from tests.unit.protocols.redfish.answering import Answered, answer_to, series
from tests.unit.protocols.redfish.conftest import part

FIRST = f"{SYSTEM}/Processors/GPU_0"
CLOCKS = "clocks_held"


def held(tree: Gb300) -> set[str]:
    """Return the reasons for which the clocks of the first GPU are held; all others must be 0."""
    found = {key[1][0]: value for key, value in series(answer_to(tree), "GPU_0").items() if key[0] == CLOCKS}
    assert len(found) in (0, 8)
    return {reason for reason, value in found.items() if value}


@pytest.mark.parametrize(
    ("reasons", "found"),
    [
        (["NA"], set()),
        (["SWPowerCap"], {"sw_power_cap"}),
        (["SWPowerCap", "HWThermalSlowdown"], {"sw_power_cap", "hw_thermal"}),
        (["NA", "SyncBoost"], {"sync_boost"}),
        (["HWSlowdown", "SomethingNew"], {"hw_slowdown"}),
    ],
)
def test_reasons_for_throttling_by_index(reasons: list[str], found: set[str]) -> None:
    """A report that names each reason under an index of its own has all of them."""
    tree = Gb300()
    tree.throttled = reasons
    assert held(tree) == found


@pytest.mark.parametrize("reasons", [["nan"], ["SWPowerCap", ""], ["SomethingNew"]])
def test_reasons_that_are_not_reported(reasons: list[str]) -> None:
    """Where one of the reasons is not reported it is not said that there are no others."""
    tree = Gb300()
    tree.throttled = reasons
    reported = series(answer_to(tree), "GPU_0")
    assert not [key for key in reported if key[0] == CLOCKS]


def test_what_only_the_resources_say() -> None:
    """Voltage, remapping that is pending, the SRAM's verdict and some errors come from the GPU itself."""
    reported = series(answer_to(Gb300()), "GPU_0")
    assert reported["voltage_volts", ()] == 0.7
    assert (reported["row_remapping_pending", ()], reported["row_remapping_failed", ()]) == (1.0, 0.0)
    assert reported["sram_ecc_threshold_exceeded", ()] == 0.0
    assert reported["pcie_errors", ("unsupported_request",)] == 3
    assert reported["pcie_errors", ("correctable",)] == 0


def test_links_that_only_their_ports_tell_of() -> None:
    """All NVLinks are asked for their state where the report has their counters only; PCIe ports are none."""
    reported = Answered(Gb300())
    found = series(reported.answer(), "GPU_0")
    assert {key[1][0] for key in found if key[0] == "nvlink_up"} == {f"NVLink_{link}" for link in range(18)}
    assert not [path for path in reported.asked if path.endswith("/Metrics") and "Ports" in path]
    reported.changed[f"{FIRST}/Ports/NVLink_3"] = {"@odata.id": "x", "LinkStatus": "LinkDown"}
    reported.now += 300
    assert series(reported.answer(), "GPU_0")["nvlink_up", ("NVLink_3",)] == 0.0


def test_bytes_that_stand_still_beside_a_rate() -> None:
    """A counter at 0 is none while the GPU says itself that data flows; when it counts it is shown."""
    reported = Answered(Gb300())
    assert ("pcie_receive_bytes", ()) not in series(reported.answer(), "GPU_0")
    report = reported.tree.document(f"{REPORT_LIST}/HGX_ProcessorMetrics_0")
    assert report is not None
    for rate, count, shown in (("0", "0", None), ("0", "7", 7), ("0.5", "8", 8), ("0", "0", 0)):
        for entry in report["MetricValues"]:
            if entry["MetricProperty"] == f"{FIRST}/ProcessorMetrics#/Oem/Nvidia/PCIeRXBytes":
                entry["MetricValue"] = count
            if entry["MetricProperty"] == f"{FIRST}/ProcessorMetrics#/Oem/Nvidia/PCIeRawRxBandwidthGbps":
                entry["MetricValue"] = rate
        reported.changed[f"{REPORT_LIST}/HGX_ProcessorMetrics_0"] = report
        assert series(reported.answer(), "GPU_0").get(("pcie_receive_bytes", ())) == shown


def test_a_system_that_has_no_processors_hides_no_other() -> None:
    """The list of a system that is not there is noted; the other system's GPUs are found."""
    answer = answer_to(Gb300(), {f"{HOST_SYSTEM}/Processors": None})
    assert len(answer.gpus) == 4
    assert [note for note in answer.problems if note.startswith(f"{HOST_SYSTEM}/Processors cannot be read")]


@pytest.mark.parametrize("fans", [0, 12, 260])
def test_a_server_without_reports_of_its_gpus(fans: int) -> None:
    """Health, power, temperature, errors and links come from the resources, behind however many fans."""
    answer = answer_to(Server(fans=fans))
    assert not answer.problems
    assert dict(answer.counts.others) == {"CPU": 2}
    expected: dict[tuple[str, tuple[str, ...]], float] = {
        ("health_id", ()): 0.0,
        ("power_watts", ()): 301.0,
        ("temperature_celsius", ()): 41.0,
        ("energy_joules", ()): 5_000_250,
        ("voltage_volts", ()): 0.71,
        ("memory_ecc_errors", ("sram", "corrected")): 7,
        ("memory_ecc_errors", ("dram", "uncorrected")): 1,
        ("nvlink_receive_bytes", ()): 3003,
        ("nvlink_transmit_bytes", ()): 30,
    }
    expected.update({("nvlink_up", (f"NVLink{link}",)): float(link > 0) for link in range(3)})
    assert series(answer, "4") == expected


def test_main_readings_without_reports_come_in_each_round() -> None:
    """Power, temperature and health are asked for every time, the rest now and then."""
    server = Server()
    reported = Answered(server)
    reported.answer()
    server.documents[f"{server.gpus[0]}/EnvironmentMetrics"]["PowerWatts"]["Reading"] = 555
    answer = reported.answer()
    readings = part(answer, REPORTS).readings[f"{server.gpus[0]}/"]
    assert readings.gauges[gpu_rows.POWER, ()] == 555.0
    assert (bmc_rows.HEALTH, ()) in readings.gauges
    assert reported.asked[f"{server.gpus[0]}/ProcessorMetrics/"] == 1


@pytest.mark.parametrize("without", ["TelemetryService", "its link"])
def test_a_bmc_without_telemetry(without: str) -> None:
    """A baseboard whose firmware has no reports is read by its resources, and that is no trouble."""
    tree = Baseboard()
    root = tree.document(ROOT)
    assert root is not None
    changed: dict[str, object] = {f"{ROOT}/TelemetryService": None}
    if without == "its link":
        del root["TelemetryService"]
        changed = {ROOT: root}
    answer = answer_to(tree, changed)
    reported = series(answer, "GPU_SXM_1")
    assert answer.problems == ()
    assert (reported["power_watts", ()], reported["temperature_celsius", ()]) == (310.5, 41.0)
    assert reported["temperature_headroom_celsius", ()] == 54.06
    assert reported["throttle_seconds", ("power",)] == 150_062_268_611_840
    assert reported["clocks_held", ("sw_power_cap",)] == 1.0


@pytest.mark.parametrize("basis", ["Headroom", "Delta"])
def test_an_environment_that_shows_a_distance(basis: str) -> None:
    """What an environment calls a temperature is what its sensor reads: here no temperature at all."""
    server = Server()
    sensor = "/redfish/v1/Chassis/1/Sensors/Gpu0Temp"
    server.documents[sensor]["ReadingBasis"] = basis
    reported = series(answer_to(server), "3")
    assert ("temperature_celsius", ()) not in reported
    assert (("temperature_headroom_celsius", ()) in reported) == (basis == "Headroom")


def test_an_environment_whose_sensor_is_not_known() -> None:
    """A temperature of which its sensor cannot say what it is, is none; without a sensor it is one."""
    server = Server()
    del server.documents["/redfish/v1/Chassis/1/Sensors/Gpu0Temp"]
    assert ("temperature_celsius", ()) not in series(answer_to(server), "3")
    del server.documents[f"{server.gpus[0]}/EnvironmentMetrics"]["TemperatureCelsius"]["DataSourceUri"]
    assert series(answer_to(server), "3")["temperature_celsius", ()] == 40.0


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("Accelerator", True),
        ("gpu", True),
        ("FPGA", False),
        ("DSP", False),
        ("CPU", False),
        (None, False),
        (7, False),
    ],
)
def test_types_of_processors(kind: object, found: bool) -> None:  # noqa: FBT001 - a table
    """An accelerator counts as a GPU; what is of another type is counted as that."""
    server = Server()
    server.documents[server.gpus[1]]["ProcessorType"] = kind
    answer = answer_to(server)
    assert (len(answer.gpus) == 2) == found
    assert sum(answer.counts.others.values()) == 2 + (not found)


@pytest.mark.parametrize("links", [None, {}, [], "x", {"Chassis": None}, {"PCIeDevice": {"@odata.id": "/x"}}])
def test_a_gpu_that_links_to_nothing(links: object) -> None:
    """A GPU of which no chassis is known is found all the same, and its lack of sensors is said."""
    server = Server()
    server.documents[server.gpus[0]]["Links"] = links
    answer = answer_to(server)
    assert series(answer, "3")["power_watts", ()] == 300.0
    said = (*answer.facts, *answer.problems)
    assert links == {"PCIeDevice": {"@odata.id": "/x"}} or [
        note for note in said if "3 is in no chassis" in note
    ]


def test_a_chassis_that_names_its_processor() -> None:
    """Where the GPU links to no chassis the chassis' own link says which one it is in."""
    tree = Baseboard(count=2)
    processor, root = tree.document(f"{SYSTEM}/Processors/GPU_SXM_1"), tree.document(ROOT)
    chassis = tree.document(f"{ROOT}/Chassis/HGX_GPU_SXM_1")
    assert processor is not None
    assert root is not None
    assert chassis is not None
    del processor["Links"]["PCIeDevice"]
    root["Chassis"] = {"@odata.id": f"{ROOT}/Chassis"}
    chassis["Links"] = {"Processors": [{"@odata.id": f"{SYSTEM}/Processors/GPU_SXM_1/"}]}
    changed = {
        ROOT: root,
        f"{SYSTEM}/Processors/GPU_SXM_1": processor,
        f"{ROOT}/Chassis": {"@odata.id": "x", "Members": [{"@odata.id": f"{ROOT}/Chassis/HGX_GPU_SXM_1"}]},
        f"{ROOT}/Chassis/HGX_GPU_SXM_1": chassis,
    }
    assert series(answer_to(tree, changed), "GPU_SXM_1")["power_watts", ()] == 310.5


@pytest.mark.parametrize(
    ("protocol", "found"), [("NVLink", 3), ("nvlink", 3), ("PCIe", 0), (None, 0), (7, 0)]
)
def test_links_of_other_names(protocol: object, found: int) -> None:
    """A port whose name does not show it is an NVLink if its protocol is NVLink."""
    server = Server(count=1)
    ports = f"{server.gpus[0]}/Ports"
    members = server.documents[ports]["Members"]
    for number, member in enumerate(members):
        document = server.documents.pop(member["@odata.id"].rstrip("/"))
        member["@odata.id"] = f"{ports}/{number}/"
        server.documents[f"{ports}/{number}"] = {**document, "PortProtocol": protocol}
    reported = series(answer_to(server), "3")
    assert len([key for key in reported if key[0] == "nvlink_up"]) == found


def test_a_gpu_that_two_systems_have() -> None:
    """A processor that is listed twice, under whatever spelling, is one GPU and keeps what it has."""
    server = Server(count=1)
    processors = server.documents["/redfish/v1/Systems/1/Processors"]
    other = "/redfish/v1/Systems/2"
    server.documents["/redfish/v1/Systems"]["Members"].append({"@odata.id": other})
    server.documents[other] = {"@odata.id": other, "Processors": {"@odata.id": f"{other}/Processors"}}
    twice = [{"@odata.id": member["@odata.id"].rstrip("/")} for member in processors["Members"]]
    server.documents[f"{other}/Processors"] = {"@odata.id": other, "Members": twice}
    answer = answer_to(server)
    assert len(answer.gpus) == 1
    assert series(answer, "3")["power_watts", ()] == 300.0


@pytest.mark.parametrize(
    ("related", "shown"),
    [("GPU_SXM_1", True), ("gpu_sxm_1/", True), ("GPU_SXM_2", False), ("CPU_0", True)],
)
def test_a_sensor_says_of_what_it_is(related: str, *, shown: bool) -> None:
    """A sensor in a GPU's chassis that is of another GPU, as it says, is neither's."""
    tree = Baseboard(count=2, links=1)
    sensor = f"{ROOT}/Chassis/HGX_GPU_SXM_1/Sensors/HGX_GPU_SXM_1_Power_0"
    document = tree.document(sensor)
    assert document is not None
    document["RelatedItem"] = [{"@odata.id": f"{SYSTEM}/Processors/{related}"}]
    answer = answer_to(tree, {sensor: document})
    assert (("power_watts", ()) in series(answer, "GPU_SXM_1")) == shown
    assert series(answer, "GPU_SXM_2")["power_watts", ()] == 310.5


def test_a_gpu_whose_power_is_nowhere() -> None:
    """A GPU that has neither reports nor sensors nor an environment is named, and counted as incomplete."""
    server = Server()
    del server.documents[server.gpus[0]]["EnvironmentMetrics"]
    answer = answer_to(server)
    assert [note for note in answer.problems if note.startswith("power reading of the GPU not found: 3 (")]
    assert answer.counts.unread == 1


@pytest.mark.parametrize("others", [[None], [7, "x"], [{}], [{"@odata.id": None}], [[]]])
def test_memories_that_are_no_links(others: list[object]) -> None:
    """What is beside the link to the GPU's memory and is no link takes nothing away."""
    server = Server()
    server.documents[server.gpus[0]]["Links"]["Memory"][:0] = others
    assert series(answer_to(server), "3")["memory_ecc_errors", ("dram", "uncorrected")] == 1


def test_several_memories() -> None:
    """What one of several memories says is not the GPU's; that it is left out is said."""
    server = Server()
    server.documents[server.gpus[0]]["Links"]["Memory"].append(
        {"@odata.id": "/redfish/v1/Systems/1/Memory/x"}
    )
    answer = answer_to(server)
    assert ("memory_ecc_errors", ("dram", "uncorrected")) not in series(answer, "3")
    assert "3 has 2 memories: what each of them says is not shown" in answer.facts
