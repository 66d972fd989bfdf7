"""What is asked in each round, what only now and then, and what a question that fails costs."""

from dataclasses import replace

import pytest
from aiohttp import web

from hostcollector.base.errors import Reason
from hostcollector.catalogue import bmc as bmc_rows
from hostcollector.catalogue import gpu
from hostcollector.protocols.redfish.values import PORTS, REPORTS, RESOURCES, GpuReadings
from tests.fakes.bmc import FakeBmc
from tests.fakes.bmc.baseboard import (
    ENVIRONMENT,
    GPM,
    HEALTH,
    MEMORY,
    PROCESSOR,
    RESETS,
    SYSTEM,
)
from tests.fakes.bmc.baseboard import PORTS as PORT_REPORT
from tests.unit.protocols.redfish.conftest import LIMITS, Follow, part
from tests.unit.protocols.rest.polling import answer_of, failure_of, polling, wait_until

FIRST = f"{SYSTEM}/Processors/GPU_SXM_1"
POWER = (gpu.POWER, ())


def test_a_round_is_one_question_for_each_report(bmc: FakeBmc, follow: Follow) -> None:
    """All GPUs come with a few questions; ports and resources are asked rarely, other reports never again."""
    with polling(follow(ports=3600)):
        seen = bmc.requests[ENVIRONMENT]
        wait_until(lambda: bmc.requests[ENVIRONMENT] >= seen + 3)
        asked = dict(bmc.requests)
    rounds = asked[ENVIRONMENT]
    for report in (PROCESSOR, GPM, MEMORY, HEALTH, RESETS):
        assert rounds - 1 <= asked[report] <= rounds
    assert asked[PORT_REPORT] == 2  # for what is in it, and for its values
    assert asked[FIRST] == 2
    assert [path for path in asked if "NVSwitch" in path and asked[path] > 1] == []
    assert not [path for path in asked if "/Ports/" in path]


def test_stale_values_are_left_out(bmc: FakeBmc, follow: Follow) -> None:
    """A sensor whose value is stale has none; the GPU's other ones do."""
    bmc.baseboard.gpus[0].stale = {"Power_0"}
    shown = part(answer_of(follow()), REPORTS).readings
    assert POWER not in shown[FIRST].gauges
    assert shown[FIRST].gauges[gpu.TEMPERATURE, ()] == 41.0
    assert POWER in shown[f"{SYSTEM}/Processors/GPU_SXM_2"].gauges


def test_a_lost_gpu_has_no_numbers(bmc: FakeBmc, follow: Follow) -> None:
    """Of a GPU that gives no answer only its health is shown, and no sum of anything."""
    bmc.baseboard.gpus[0].lost = True
    bmc.baseboard.gpus[0].health = "Critical"
    answer = answer_of(follow())
    assert part(answer, REPORTS).readings[FIRST] == GpuReadings({(bmc_rows.HEALTH, ()): 2.0}, {})
    assert part(answer, PORTS).readings[FIRST].counters == {}
    assert len(part(answer, RESOURCES).readings) == 8


def test_a_link_that_does_not_tell_spoils_the_sum(bmc: FakeBmc, follow: Follow) -> None:
    """A sum without one of its links would look like a counter that was reset."""
    report = bmc.baseboard.document(PORT_REPORT)
    assert report is not None
    name = f"{FIRST}/Ports/NVLink_4/Metrics#/RXBytes"
    next(it for it in report["MetricValues"] if it["MetricProperty"] == name)["MetricValue"] = "nan"

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(report)

    bmc.misbehave[PORT_REPORT] = answer
    shown = part(answer_of(follow()), PORTS).readings
    assert (gpu.NVLINK_RECEIVED, ()) not in shown[FIRST].counters
    assert (gpu.NVLINK_TRANSMITTED, ()) in shown[FIRST].counters
    assert (gpu.NVLINK_RECEIVED, ()) in shown[f"{SYSTEM}/Processors/GPU_SXM_2"].counters


@pytest.mark.parametrize("text", ["", "{", '{"MetricValues": [', '{"MetricValues": 7}', "[]", "[" * 100_000])
def test_a_report_that_is_none_costs_what_is_in_it(bmc: FakeBmc, follow: Follow, text: str) -> None:
    """A truncated or nonsensical report is named; the others are shown."""
    with polling(follow()) as client:
        bmc.answers(ENVIRONMENT, 200, text=text)
        wait_until(lambda: bool(client.current()[0].problems))
        shown = part(client.current()[0], REPORTS).readings[FIRST]
    assert POWER not in shown.gauges
    assert shown.counters


def test_a_report_that_breaks_off(bmc: FakeBmc, follow: Follow) -> None:
    """A connection that ends in the middle of an answer is a report less, not an old one again."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await response.write(b'{"MetricValues": [')
        assert request.transport is not None
        request.transport.abort()
        return response

    with polling(follow()) as client:
        bmc.misbehave[ENVIRONMENT] = cut
        wait_until(lambda: bool(client.current()[0].problems))
        assert POWER not in part(client.current()[0], REPORTS).readings[FIRST].gauges


def test_a_report_that_is_slow(bmc: FakeBmc, follow: Follow) -> None:
    """A report that does not come in time costs what is in it."""
    with polling(follow(replace(LIMITS, request_seconds=1.0))) as client:
        bmc.hangs(GPM)
        wait_until(lambda: any("no answer within" in it for it in client.current()[0].problems))
        assert POWER in part(client.current()[0], REPORTS).readings[FIRST].gauges


def test_a_report_without_an_end(bmc: FakeBmc, follow: Follow) -> None:
    """An answer that is larger than the limit is not read to its end."""
    with polling(follow(replace(LIMITS, answer_bytes=1_000_000))) as client:
        bmc.drips(MEMORY, b"[" * 100_000, 0)
        wait_until(lambda: any("1000000 bytes" in it for it in client.current()[0].problems))


def test_a_busy_bmc_is_left_alone(bmc: FakeBmc, follow: Follow) -> None:
    """After 503 the rest of the round is not asked, and for as long as the BMC wants nothing at all is."""
    client = follow()
    with polling(client):
        bmc.answers(ENVIRONMENT, 503, headers={"Retry-After": "600"})
        wait_until(lambda: "busy" in client.current()[2])
        asked = bmc.requests.total()
        assert client._stop.wait(0.3) is False
        assert bmc.requests.total() == asked


def test_no_report_at_all(bmc: FakeBmc, follow: Follow) -> None:
    """A round without any report fails."""
    with polling(follow()) as client:
        for report in (ENVIRONMENT, PROCESSOR, GPM, MEMORY, HEALTH, RESETS):
            bmc.answers(report, 500)
        wait_until(lambda: "500" in client.current()[2])
    bmc.unplugged = True
    assert failure_of(follow()).reason is Reason.UNAVAILABLE


def test_another_gpu_in_a_place_is_noticed(bmc: FakeBmc, follow: Follow) -> None:
    """A GPU that was replaced says its own serial number at the next look at the resources."""
    with polling(follow()) as client:
        bmc.baseboard.gpus[0].serial = "9999999999999"
        wait_until(lambda: client.current()[0].gpus[FIRST].serial == "9999999999999")


def test_what_moved_is_looked_for(bmc: FakeBmc, follow: Follow) -> None:
    """A report that is not there any more leads to a new discovery, without a flood of them."""
    with polling(follow()) as client:
        bmc.answers(GPM, 404)
        wait_until(lambda: any("GPM" in problem for problem in client.current()[0].problems))
        bmc.misbehave.clear()
        wait_until(lambda: client.current()[0].problems == ())
        shown = part(client.current()[0], REPORTS).readings[FIRST]
    assert (gpu.UTILIZATION, ("sm",)) in shown.gauges
