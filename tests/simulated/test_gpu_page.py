"""The page of a host with eight GPUs: every series is its guest's and its tenant's, or the host's."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from hostcollector.base.model import SourceState
from hostcollector.collection.assemble import DUPLICATE
from hostcollector.outputs.diagnose.gpus import gpu_lines
from tests.simulated.gpu_host import GUESTS, MDEVS, MIG, PASSED, SPLIT, VFS, WAITING, GpuHost
from tests.simulated.gpus import main
from tests.simulated.pages import report_of, series_of, values

OWNERS = {
    device.pci_address or device.mdev_uuid: (guest.tenant.id, guest.domain.name)
    for guest in GUESTS
    for device in guest.domain.host_devices
}


def test_every_series_has_the_right_owner(host: GpuHost) -> None:
    """Series of devices with a guest carry its tenant, all others none; and each device has series."""
    seen = series_of(host.settled())
    owners: dict[str, set[tuple[str, str]]] = {}
    for one in seen:
        device = one.labels.get("gpu") or one.labels["pci_address"]
        owners.setdefault(device, set()).add((one.tenant, one.domain))
    bmc_names = {gpu.name for gpu in host.bmc.baseboard.gpus}
    assert {device: found for device, found in owners.items() if device in OWNERS} == {
        # What the BMC says that a GPU is, and which, are the host's series.
        device: {owner, ("", "")} if device in PASSED else {owner}
        for device, owner in OWNERS.items()
    }
    nobodys = {device for device in owners if device not in OWNERS}
    assert nobodys == {*SPLIT, MIG, WAITING, "GPU_SXM_8"}
    assert nobodys & bmc_names == {"GPU_SXM_8"}
    assert all(owners[device] == {("", "")} for device in nobodys)


def test_host_series_of_a_guests_gpu_say_only_what_it_is(host: GpuHost) -> None:
    """No reading of a GPU that has a guest is on a series without the guest."""
    shown = {
        one.name for one in series_of(host.settled()) if one.labels.get("gpu") in PASSED and not one.tenant
    }
    assert shown == {"hostcollector_host_gpu_bmc_info"}


def test_power_comes_from_the_source_that_sees_the_gpu(host: GpuHost) -> None:
    """Passed-through GPUs have the BMC's power, the others the driver's; nothing is shown twice."""
    for gpu in host.bmc.baseboard.gpus:
        gpu.power = 400.0
    snapshot = host.settled()
    assert values(snapshot, "libvirt_domain_gpu_power_watts") == {
        **{("train", gpu): 400.0 for gpu in PASSED[:2]},
        **{("render", gpu): 400.0 for gpu in PASSED[2:]},
    }
    assert values(snapshot, "hostcollector_host_gpu_power_watts") == {
        **{("", gpu): 312.5 for gpu in (*SPLIT, MIG)},
        ("", "GPU_SXM_8"): 400.0,
    }
    dropped = next(it for it in snapshot.families if it.metric.name == "hostcollector_series_dropped")
    assert set(dropped.series.values()) == {0.0}
    assert (DUPLICATE,) in dropped.series


def test_vgpus_have_their_memory(host: GpuHost) -> None:
    """Six vGPUs of three tenants, by mdev on one GPU and by VF on the other."""
    used = values(host.settled(), "libvirt_domain_gpu_memory_used_bytes")
    vgpus = {gpu: (domain, value / 2**30) for (domain, gpu), value in used.items() if gpu not in PASSED}
    assert vgpus == {
        **{mdev: (f"desk-{number}", 4 + number) for number, mdev in enumerate(MDEVS, 1)},
        **{vf: (f"desk-{number}", 7 + number) for number, vf in enumerate(VFS, 1)},
    }


def test_who_sees_what_is_said(host: GpuHost) -> None:
    """Each GPU says which source sees it, and the lines for people what is missing and what to configure."""
    snapshot = host.settled()
    by_redfish = values(snapshot, "libvirt_domain_gpu_observable", source="redfish")
    assert {gpu: value for (_, gpu), value in by_redfish.items()} == dict.fromkeys(PASSED, 1.0)
    of_host = values(snapshot, "hostcollector_host_gpu_observable", source="redfish")
    assert of_host["", WAITING] == 0.0
    lines = {line.name: line for line in gpu_lines(snapshot)}
    assert lines[PASSED[0]].fixes == ()
    assert [fix for fix in lines[WAITING].fixes if "redfish.gpu_map_file" in fix]
    report = report_of(snapshot, "redfish")
    assert report.state is SourceState.PARTIAL
    assert f"which of {WAITING} is GPU_SXM_8 of the BMC" in report.notes[0]


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    """The command's page can be parsed, and its counters have moved."""
    main(tmp_path / "page")
    found = {it.name: it for it in text_string_to_metric_families((tmp_path / "page").read_text())}
    energy = {it.labels["gpu"]: it.value for it in found["libvirt_domain_gpu_energy_joules"].samples}
    assert energy == {gpu: 1000.0 * number for number, gpu in enumerate(PASSED, 1)}
