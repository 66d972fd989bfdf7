"""What tenants see of simulated hardware: GPUs of every kind and VFs, by the addresses in their guests."""

import json
from pathlib import Path

from hostcollector.base.model import Guest
from tests.fakes.tenants import TenantHost
from tests.simulated import gpu_host, network_host
from tests.simulated.gpu_host import GpuHost
from tests.simulated.running import running

WHOLE = {"vm_gpu_power_watts", "vm_gpu_energy_joules_total", "vm_gpu_temperature_celsius"}
RDMA = {f"vm_rdma_{way}_{unit}_total" for way in ("receive", "transmit") for unit in ("bytes", "packets")}
OWN = {"vm_gpu_info", "vm_gpu_memory_bytes", "vm_gpu_memory_used_bytes"}


def test_gpus_of_every_kind_are_one_name_space(host: GpuHost, tmp_path: Path) -> None:
    """A whole GPU has the readings of the BMC, a vGPU its own memory; each with its address in the guest."""
    host.settled()
    made = running(host.settled(), gpu_host.GUESTS)
    page = TenantHost(tmp_path / "tenants").values(made)
    addresses = {
        known.domain.uuid: [gpu_host.seen_at(place) for place in range(len(known.domain.host_devices))]
        for known in gpu_host.GUESTS
    }
    infos = [key for key in page if key[0] == "vm_gpu_info"]
    for uuid, expected in addresses.items():
        assert sorted(key[-1] for key in infos if key[2] == uuid) == expected
        assert sorted(key[3] for key in infos if key[2] == uuid) == [str(n) for n in range(len(expected))]
    assert all(key[4] for key in infos), "every one has a model"
    names = {
        known.domain.name: {key[0] for key in page if key[2] == known.domain.uuid}
        for known in gpu_host.GUESTS
    }
    for name in ("train", "render"):
        assert names[name] >= WHOLE | {"vm_gpu_info"}
    for name in ("desk-1", "desk-2", "desk-3"):
        assert names[name] >= OWN
        assert not names[name] & WHOLE


def test_a_gpus_uuid_is_the_one_that_its_driver_shows(host: GpuHost, tmp_path: Path) -> None:
    """The BMC's UUID of a passed-through GPU is on the page of its owner and of no other tenant."""
    host.settled()
    made = running(host.settled(), gpu_host.GUESTS)
    text = TenantHost(tmp_path / "tenants").text(made)
    bmc = {gpu.uuid.lower().removeprefix("gpu-") for gpu in host.bmc.baseboard.gpus[:4]}
    shown = {
        line.partition('gpu_uuid="')[2].partition('"')[0]
        for line in text.splitlines()
        if "vm_gpu_info{" in line
    }
    assert bmc <= shown
    for hidden in (*gpu_host.ADDRESSES, *gpu_host.VFS, *gpu_host.MDEVS):
        assert hidden not in text
    for gpu in host.bmc.baseboard.gpus:
        assert gpu.serial not in text
        assert gpu.name not in text


def _vfs(known: Guest) -> set[str]:
    return {nic.pci_address for nic in known.domain.nics}


def test_vfs_are_interfaces(tmp_path: Path) -> None:
    """Ethernet and InfiniBand VFs and a vhost-user port are one sequence, by the addresses in the guest."""
    with network_host.network_host(tmp_path / "host") as host:
        host.settle()
        host.snapshot()
        host.work()
        made = host.snapshot()
    guests = tuple(network_host.GUESTS.values())
    tenants = TenantHost(tmp_path / "tenants")
    page = tenants.values(running(made, guests))
    for known in guests:
        uuid = known.domain.uuid
        infos = {key[3]: key[4:] for key in page if key[0] == "vm_network_info" and key[2] == uuid}
        expected = {"0": ("", "0000:07:00.0"), "1": ("", "0000:08:00.0"), "2": ("", "")}
        with_rdma = {"3": ("", "0000:09:00.0")} if network_host.SWITCHDEV_VF in _vfs(known) else {}
        assert infos == expected | with_rdma
        received = {
            key[3]: value
            for key, value in page.items()
            if key[:3] == ("vm_network_receive_bytes_total", known.tenant.id, uuid)
        }
        assert received.keys() == expected.keys() | with_rdma.keys()
        assert all(value > 0 for value in received.values())
        rdma = {
            key[0]: value
            for key, value in page.items()
            if key[0].startswith("vm_rdma_") and key[2] == uuid and value > 0
        }
        assert rdma.keys() == (RDMA if with_rdma else set())
        assert {key[3] for key in page if key[0] in rdma and key[2] == uuid} == with_rdma.keys()
    text = tenants.text(running(made, guests))
    for hidden in (network_host.PF, *network_host.VFS, *network_host.IB_VFS, "52:54", "port-1", "ens"):
        assert hidden not in text, hidden
    assert json.dumps(tenants.page.left_out) == json.dumps({"label": 0, "limit": 0, "duplicate": 0})
