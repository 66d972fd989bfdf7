"""What is found on a BMC by its links, under whatever names."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from hostcollector import catalogue
from hostcollector.base.model import Kind as KindOfRow
from hostcollector.catalogue import gpu as gpu_rows
from hostcollector.protocols.redfish.properties import SCALES, TABLES, CounterProperty, RateProperty
from hostcollector.protocols.redfish.values import PORTS, REPORTS, RESOURCES, BmcAnswer
from tests.fakes.bmc import FakeBmc
from tests.fakes.bmc.baseboard import ROOT, SYSTEM, Baseboard
from tests.unit.protocols.redfish.conftest import Follow, part
from tests.unit.protocols.rest.polling import answer_of, failure_of, polling, wait_until


def readings(answer: BmcAnswer, name: str, gpu: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return a part's readings of a GPU, keyed by the rows' endings and labels."""
    found = part(answer, name).readings[f"{SYSTEM}/Processors/{gpu}"]
    values = {**found.gauges, **found.counters}
    return {(twin.key, labels): value for (twin, labels), value in values.items()}


@pytest.mark.parametrize(("prefix", "first"), [("GPU_SXM_", 1), ("GPU_", 0), ("Accel-", 7)])
def test_naming_schemes(bmc: FakeBmc, follow: Follow, prefix: str, first: int) -> None:
    """GPUs are found under every name that a firmware gives them, with all that is reported of them."""
    bmc.baseboard = Baseboard(prefix=prefix, first=first)
    answer = answer_of(follow())
    assert [gpu.name for gpu in answer.gpus.values()] == [f"{prefix}{first + it}" for it in range(8)]
    gpu = f"{prefix}{first}"
    shown = readings(answer, REPORTS, gpu)
    assert shown["power_watts", ()] == 310.5
    assert shown["energy_joules", ()] == 1_000_000_000
    assert shown["remapped_rows", ("corrected",)] == 0
    assert readings(answer, RESOURCES, gpu)["power_limit_watts", ()] == 1000.0
    assert readings(answer, PORTS, gpu)["nvlink_up", ("NVLink_17",)] == 1.0
    assert answer.problems == ()


def test_what_a_gpu_says_of_itself(follow: Follow) -> None:
    """Serial number, UUID, model, firmware and baseboard come with it."""
    gpu = next(iter(answer_of(follow()).gpus.values()))
    assert (gpu.serial, gpu.uuid) == ("1653224030000", "00000000-1111-4222-8333-444455556666")
    assert (gpu.model, gpu.firmware) == ("B200 180GB HBM3e", "97.00.82.00.2B")
    assert (gpu.system, gpu.baseboard) == ("HGX_Baseboard_0", "1320224000123")


def test_headroom_is_never_a_temperature(follow: Follow) -> None:
    """The distance to the limit has its own row, whatever the GPU's environment calls a temperature."""
    shown = readings(answer_of(follow()), REPORTS, "GPU_SXM_1")
    assert shown["temperature_celsius", ()] == 41.0
    assert shown["temperature_headroom_celsius", ()] == 54.06
    assert shown["memory_temperature_celsius", ()] == 47.0


def changed(bmc: FakeBmc, path: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let a resource be another one."""
    document = bmc.baseboard.document(path)
    assert document is not None
    change(document)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(document)

    bmc.misbehave[path] = answer


def test_headroom_of_older_firmware(bmc: FakeBmc, follow: Follow) -> None:
    """Where the basis of the reading is not reported the description says that it is a distance."""
    sensor = f"{ROOT}/Chassis/HGX_GPU_SXM_1/Sensors/HGX_GPU_SXM_1_TEMP_1"
    changed(bmc, sensor, lambda document: document.pop("ReadingBasis"))
    shown = readings(answer_of(follow()), REPORTS, "GPU_SXM_1")
    assert (shown["temperature_celsius", ()], shown["temperature_headroom_celsius", ()]) == (41.0, 54.06)


def test_two_sensors_of_one_kind(bmc: FakeBmc, follow: Follow) -> None:
    """Of two temperatures the one that is numbered 0 counts; of two powers none does."""
    sensors = f"{ROOT}/Chassis/HGX_GPU_SXM_1/Sensors/HGX_GPU_SXM_1"

    def plain(document: dict[str, Any]) -> None:
        document.pop("ReadingBasis")
        document.pop("Description")

    changed(bmc, f"{sensors}_TEMP_1", plain)
    changed(bmc, f"{sensors}_Voltage_0", lambda document: document.update(ReadingType="Power"))
    shown = readings(answer_of(follow()), REPORTS, "GPU_SXM_1")
    assert shown["temperature_celsius", ()] == 41.0
    assert ("temperature_headroom_celsius", ()) not in shown
    assert ("power_watts", ()) not in shown


def test_sensors_of_a_chassis_for_all_are_no_gpus(bmc: FakeBmc, follow: Follow) -> None:
    """A chassis with two GPUs counts for neither of them, and what a fan reads is no GPU's."""
    for number in (1, 2):
        changed(
            bmc,
            f"{SYSTEM}/Processors/GPU_SXM_{number}",
            lambda document: document["Links"].update(Chassis={"@odata.id": f"{ROOT}/Chassis/HGX_GPU_SXM_1"}),
        )
    sensor = f"{ROOT}/Chassis/HGX_GPU_SXM_3/Sensors/HGX_GPU_SXM_3_Power_0"
    changed(bmc, sensor, lambda document: document.update(PhysicalContext="Fan"))
    answer = answer_of(follow())
    for number in (1, 2, 3):
        assert ("power_watts", ()) not in readings(answer, REPORTS, f"GPU_SXM_{number}")
    assert ("temperature_celsius", ()) not in readings(answer, REPORTS, "GPU_SXM_1")
    assert readings(answer, REPORTS, "GPU_SXM_3")["temperature_celsius", ()] == 41.0
    assert readings(answer, REPORTS, "GPU_SXM_4")["power_watts", ()] == 310.5


def test_a_report_that_is_stale_at_first(bmc: FakeBmc, follow: Follow) -> None:
    """A BMC that has just started has only stale values: its reports are asked for all the same."""
    for gpu in bmc.baseboard.gpus:
        gpu.lost = True
    with polling(follow()) as client:
        for gpu in bmc.baseboard.gpus:
            gpu.lost = False
        wait_until(lambda: ("power_watts", ()) in readings(client.current()[0], REPORTS, "GPU_SXM_1"))


def test_nvlinks_are_summed_up(bmc: FakeBmc, follow: Follow) -> None:
    """The data of 18 links is one number, which loses nothing above 2**53."""
    bmc.baseboard.gpus[0].link_bytes = 2**60
    shown = readings(answer_of(follow()), PORTS, "GPU_SXM_1")
    assert shown["nvlink_receive_bytes", ()] == 18 * 2**60 + sum(range(18))
    assert shown["nvlink_transmit_bytes", ()] == 36 * 2**60


def test_a_gpu_whose_resource_fails_costs_itself_only(bmc: FakeBmc, follow: Follow) -> None:
    """The others are found, and the answer names what could not be looked at."""
    bmc.answers(f"{SYSTEM}/Processors/GPU_SXM_3", 500)
    answer = answer_of(follow())
    assert [gpu.name for gpu in answer.gpus.values()] == [
        f"GPU_SXM_{number}" for number in (1, 2, 4, 5, 6, 7, 8)
    ]
    assert any("GPU_SXM_3" in problem for problem in answer.problems)


def test_a_bmc_without_gpus(bmc: FakeBmc, follow: Follow) -> None:
    """A BMC of something else is said to have none."""
    bmc.answers(f"{SYSTEM}/Processors", 200, text='{"@odata.id": "x", "Members": []}')
    assert "none of the BMC's systems has a processor of the type GPU" in str(failure_of(follow()))


def test_what_is_no_redfish_service(bmc: FakeBmc, follow: Follow) -> None:
    """Some other web server at the address is not mistaken for a BMC."""
    for path in (ROOT, f"{ROOT}/"):
        bmc.answers(path, 200, text='{"welcome": true}')
    assert "not a Redfish service" in str(failure_of(follow()))


def test_every_meaning_is_a_row() -> None:
    """A property's row is in the catalogue, with as many labels, and is a counter if the property is."""
    for kind, table in TABLES.items():
        for meaning in table.values():
            row = meaning.twin.guest
            link = 1 if meaning.twin is gpu_rows.NVLINK_UP else 0
            assert len(row.labels) == 1 + len(meaning.labels) + link, (kind, row.name)
            assert {row, meaning.twin.host} <= set(catalogue.ALL)
            assert isinstance(meaning, CounterProperty | RateProperty) == row.name.endswith("_total")
    assert {twin.guest.kind for twin in SCALES} == {KindOfRow.COUNTER}
