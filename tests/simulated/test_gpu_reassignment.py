"""A GPU goes from one tenant to another while the collector runs."""

import pytest

from hostcollector.base.model import Snapshot
from tests.simulated.gpu_host import PASSED, GpuHost, guest
from tests.simulated.pages import series_of, values

GPU = PASSED[0]
ENERGY, ECC = "libvirt_domain_gpu_energy_joules_total", "libvirt_domain_gpu_memory_ecc_errors_total"
NEXT = guest(9, "next", "initech", GPU)


def used(host: GpuHost, joules: float) -> Snapshot:
    """Let the GPU use energy and make errors, and return the page after the BMC was polled again."""
    gpu = host.bmc.baseboard.gpus[0]
    gpu.energy += joules
    gpu.errors += 1
    host.heard()
    return host.snapshot()


def given_to_next(host: GpuHost) -> None:
    """Stop the guest that has the GPU, and start the next one with it."""
    train = next(it for it in host.guests.values() if it.domain.name == "train")
    del host.guests[train.domain.uuid]
    host.guests[NEXT.domain.uuid] = NEXT


def test_the_next_tenant_starts_at_zero(host: GpuHost) -> None:
    """The old tenant's series end, the new one's counters start at 0, whatever the GPU has counted."""
    host.settled()
    assert values(used(host, 5000.0), ENERGY)["train", GPU] == 5000.0
    given_to_next(host)
    host.snapshot()
    host.heard()
    page = host.snapshot()
    assert {one.domain for one in series_of(page) if one.labels.get("gpu") == GPU} == {"next", ""}
    counters = [one for one in series_of(page) if one.domain == "next" and one.name.endswith("_total")]
    assert {one.value for one in counters if "gpu" in one.labels} == {0.0}
    assert len(counters) > 20
    page = used(host, 70.0)
    assert values(page, ENERGY)["next", GPU] == 70.0
    assert set(values(page, ECC, memory="dram", severity="corrected").items()) >= {(("next", GPU), 2.0)}


def test_nothing_asked_before_is_shown_to_the_next_tenant(host: GpuHost) -> None:
    """What the BMC said while the last tenant had the GPU is not the new one's, not even as a gauge."""
    host.settled()
    held = host.client.current()[0]
    given_to_next(host)
    # The last answer is from before: the client is kept from getting another one.
    host.client.close()
    host.client.wait_closed(20)
    page = host.snapshot()
    assert min(part.asked_at for part in held.parts) <= host.now()
    reported = {one.name for one in series_of(page) if one.domain == "next" and "power" in one.name}
    assert "libvirt_domain_gpu_power_watts" not in reported
    assert values(page, "libvirt_domain_gpu_observable", source="redfish")["next", GPU] == 0.0


def test_energy_adds_up_to_what_the_bmc_counted(host: GpuHost) -> None:
    """The tenants' joules together are the BMC's, but for what was used between two readings."""
    host.settled()
    start = host.bmc.baseboard.gpus[0].energy
    shown = 0.0
    reading = 100.0
    shown += [values(used(host, reading), ENERGY) for _ in range(5)][-1]["train", GPU]
    given_to_next(host)
    host.snapshot()
    used(host, reading)  # in this reading the GPU changed hands: it is unassigned
    shown += [values(used(host, reading), ENERGY) for _ in range(5)][-1]["next", GPU]
    counted = host.bmc.baseboard.gpus[0].energy - start
    assert counted == 11 * reading
    assert 0.0 <= counted - shown <= reading
    assert shown == pytest.approx(10 * reading)


def test_counters_go_on_when_the_collector_restarts(host: GpuHost) -> None:
    """What an owner has used so far is still there after a restart, from the record on disk."""
    host.settled()
    used(host, 40.0)
    host.stop()
    host.start()
    host.client.settle(20)
    assert values(used(host, 2.0), ENERGY)["train", GPU] == 42.0
