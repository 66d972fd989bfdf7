"""Whatever a source expects and does not find is counted, named, and makes its reading partial.

There is one way to break a promise for each source in the flags: a new source needs its own here.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, HostDevice, Nic
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request, Source
from hostcollector.config.services import UfmSettings
from hostcollector.devices.baselines import Baselines
from hostcollector.guests.halts import Halts
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.protocols.ndfc.answers import NdfcAnswer, Placement
from hostcollector.protocols.netlink.messages import LinkCounters, LinkDescription
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.protocols.netlink.traffic_control import HtbClass, Policer, Qdisc
from hostcollector.protocols.ufm import UfmAnswer, UfmClient, read_partitions
from hostcollector.sources import NAMES
from hostcollector.sources.cgroup import Cgroup
from hostcollector.sources.definition import Definition
from hostcollector.sources.host import Host
from hostcollector.sources.infiniband import Infiniband
from hostcollector.sources.libvirt_monitor import LibvirtMonitor, Memory
from hostcollector.sources.libvirt_monitor.job_history import JobHistory
from hostcollector.sources.libvirt_state import LibvirtState
from hostcollector.sources.ndfc import Ndfc
from hostcollector.sources.netlink import Netlink
from hostcollector.sources.nvml import Nvml
from hostcollector.sources.ovn import Ovn
from hostcollector.sources.process import Process
from hostcollector.sources.procfs import Procfs
from hostcollector.sources.sriov import Sriov
from hostcollector.sources.ufm import Ufm
from hostcollector.sources.uplinks import Uplinks
from hostcollector.sources.vfio import Vfio
from tests.fakes.guests import A
from tests.fakes.libvirt import FakeLibvirt
from tests.fakes.link_kernel import LinkKernel
from tests.fakes.nvml import FakeNvml, build, loaded
from tests.fakes.pci import PciTree
from tests.fakes.procfs import Procfs as ProcTree
from tests.fakes.southbound import Cloud
from tests.fakes.sysfs import Sysfs
from tests.fakes.uplinks import Kernel as UplinkKernel
from tests.fakes.uplinks import state as link_state_of
from tests.unit.devices.test_logical_ports import PORT, following
from tests.unit.sources.redfish.conftest import FIRST, gpu
from tests.unit.sources.redfish.conftest import Host as RedfishHost
from tests.unit.sources.test_ndfc import Answered as AnsweredNdfc
from tests.unit.sources.test_ovs import source as ovs_source
from tests.unit.sources.test_ovs import switch_rows

PF, VF, FREE_VF, GPU = "0000:3b:00.0", "0000:3b:00.2", "0000:3b:00.3", "0000:1b:00.0"

NOTHING_PROMISED = {"events": "an event that does not come is promised by nothing"}
"""Sources that cannot miss anything, with the reason."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Where a source is tried, and what is left to do after that."""

    directory: Path
    later: ExitStack


Broken = tuple[Reading, Reading, str]
"""The reading while the promise is kept, that after it was broken, and what the notes have to name."""

Promise = Callable[[Trial], Broken]


def _ask(source: Source, *domains: Domain, seconds: float = 10.0) -> Reading:
    guests = {domain.uuid: Guest(domain=domain) for domain in domains}
    return source.read(Request(guests=guests, deadline=time.monotonic() + seconds, taken_at=time.time()))


def _definition(_trial: Trial) -> Broken:
    whole, unread = (
        Domain(uuid=A, name="web"),
        Domain(uuid=A, name="web", complete=False, remarks=("no XML",)),
    )
    return _ask(Definition(), whole), _ask(Definition(), unread), "'web'"


def _libvirt(trial: Trial) -> tuple[FakeLibvirt, Workers, tuple[Domain, ...]]:
    daemon = FakeLibvirt(3)
    trial.later.callback(daemon.free)
    workers = Workers(Link("test:///default", opener=daemon.open))
    trial.later.callback(workers.close)
    return daemon, workers, tuple(Domain(uuid=it.uuid, name=it.name()) for it in daemon.domains)


def _libvirt_state(trial: Trial) -> Broken:
    daemon, workers, domains = _libvirt(trial)
    source = LibvirtState(workers)
    kept = _ask(source, *domains)
    daemon.domains[0].lock()
    return kept, _ask(source, *domains, seconds=4.0), repr(domains[0].name)


def _libvirt_monitor(trial: Trial) -> Broken:
    daemon, workers, domains = _libvirt(trial)
    tree = ProcTree(trial.directory)
    for number, domain in enumerate(domains):
        tree.qemu(1000 + number, domain.uuid, domain.name)
    source = LibvirtMonitor(
        Memory(workers.monitors, Halts(tree.root), JobHistory(time.monotonic)), QemuProcesses(tree.root)
    )
    kept = _ask(source, *domains)
    daemon.domains[0].stick()
    tree.qemu(1000, domains[0].uuid, domains[0].name, state="D")
    return kept, _ask(source, *domains), repr(domains[0].name)


def _procfs(trial: Trial) -> Broken:
    tree = ProcTree(trial.directory)
    tree.qemu(100, A, "web", {101: "CPU 0/KVM", 102: "CPU 1/KVM"})
    source = Procfs(QemuProcesses(tree.root))
    kept, more = (_ask(source, Domain(uuid=A, name="web", vcpus=vcpus)) for vcpus in (2, 3))
    return kept, more, "vCPU 2 of guest 'web'"


def _cgroup(trial: Trial) -> Broken:
    tree = ProcTree(trial.directory)
    tree.write("proc/self/mountinfo", "25 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    scope = "machine.slice/machine-qemu\\x2d1\\x2dweb.scope"
    tree.qemu(100, A, "web")
    tree.write("proc/100/cgroup", f"0::/{scope}/libvirt/emulator\n")
    for group in ("", "/libvirt/emulator", "/libvirt/vcpu0", "/libvirt/vcpu1"):
        tree.write(f"sys/fs/cgroup/{scope}{group}/cpu.stat", "usage_usec 2\nuser_usec 1\nsystem_usec 1\n")
    source = Cgroup(QemuProcesses(tree.root))
    kept, more = (_ask(source, Domain(uuid=A, name="web", vcpus=vcpus)) for vcpus in (2, 3))
    return kept, more, "'web'"


class _Links:
    """A kernel with one tap."""

    def index(self, name: str) -> int | None:
        return 7 if name == "tap7" else None

    def description(self, _index: int, _deadline: float) -> LinkDescription:
        return LinkDescription(name="tap7", kind="tun", mac="fe:54:00:aa:00:01", ethernet=True)

    def counters(self, _deadline: float) -> dict[int, LinkCounters]:
        return {7: LinkCounters(*range(8))}

    def qdiscs(self, _deadline: float) -> dict[tuple[int, int], Qdisc]:
        """No link is limited."""
        return {}

    def classes(self, _index: int, _deadline: float) -> dict[int, HtbClass]:
        """No link has classes."""
        return {}

    def policers(self, _index: int, _parent: int, _deadline: float) -> dict[int, Policer]:
        """No link has policers."""
        return {}

    def close(self) -> None:
        """Nothing is open."""


def _netlink(_trial: Trial) -> Broken:
    tap, lost = (Nic(type="bridge", target=name, mac="52:54:00:aa:00:01") for name in ("tap7", "tap8"))
    source = Netlink(_Links())
    domains = (Domain(uuid=A, name="web", nics=nics) for nics in ((tap,), (tap, lost)))
    kept, broken = (_ask(source, domain) for domain in domains)
    return kept, broken, "tap8"


def _uplinks(trial: Trial) -> Broken:
    Sysfs(trial.directory).pf(PF, netdev="ens1", index=2)
    kernel = UplinkKernel({2: link_state_of(2, "ens1")})
    source = Uplinks(trial.directory, kernel)
    domain = Domain(uuid=A, name="web")
    kept = _ask(source, domain)
    kernel.present.clear()
    return kept, _ask(source, domain), "ens1"


def _sriov(trial: Trial) -> Broken:
    source = Sriov(
        trial.directory,
        Baselines(trial.directory / "state", trial.directory),
        RouteSocket(trial.later.enter_context(LinkKernel({})).connect),
    )
    Sysfs(trial.directory)
    passed = Nic(type="hostdev", pci_address=VF)
    kept, broken = (_ask(source, Domain(uuid=A, name="web", nics=nics)) for nics in ((), (passed,)))
    return kept, broken, VF


def _vfio(trial: Trial) -> Broken:
    tree = PciTree(trial.directory)
    tree.add(GPU)
    source = Vfio(tree.root, Baselines(trial.directory / "state", tree.root))
    domain = Domain(uuid=A, name="web", host_devices=(HostDevice(type="pci", pci_address=GPU),))
    kept = _ask(source, domain)
    tree.remove(GPU)
    return kept, _ask(source, domain), GPU


def _nvml(trial: Trial) -> Broken:
    tree = PciTree(trial.directory / "root")
    tree.add(GPU, driver="nvidia")
    built = trial.directory / "built"
    built.mkdir()
    library = FakeNvml(build(built), trial.directory)
    library.device(GPU)
    trial.later.enter_context(loaded(library.library))
    source = Nvml(tree.root, Baselines(trial.directory / "state", tree.root))
    trial.later.callback(source.close)
    kept = _ask(source)
    tree.add("0000:2b:00.0", driver="nvidia")
    return kept, _ask(source), "0000:2b:00.0"


def _redfish(trial: Trial) -> Broken:
    host = RedfishHost(trial.directory)
    host.tree.add(GPU)
    host.source = host.restarted(mapped=f'"{GPU}": GPU_SXM_1\n')
    host.says((gpu(FIRST),))
    kept = host.reading()
    host.now += 100.0
    host.says((gpu(FIRST),))
    host.without_reports()
    return kept, host.reading(), GPU


def _infiniband(trial: Trial) -> Broken:
    device = trial.directory / "sys/class/infiniband/mlx5_0"
    port = device / "ports/1"
    port.mkdir(parents=True)
    for file, text in {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "link_layer": "InfiniBand"}.items():
        (port / file).write_text(f"{text}\n")
    (port / "rate").write_text("400 Gb/sec (4X NDR)\n")
    source = Infiniband(trial.directory)
    kept = _ask(source)
    shutil.rmtree(port)
    return kept, _ask(source), "mlx5_0"


def _ovs(trial: Trial) -> Broken:
    rows = switch_rows(vnet0={"external_ids": ["map", [["iface-id", "lp-1"]]]})
    made = trial.later.enter_context(ovs_source(rows, trial.directory))
    plugged = Nic(type="bridge", bridge="br-int", interface_id="lp-1", target="vnet0")
    lost = Nic(type="bridge", bridge="br-int", interface_id="lp-2", target="vnet2")
    kept, broken = (_ask(made, Domain(uuid=A, name="web", nics=nics)) for nics in ((plugged,), (lost,)))
    return kept, broken, "vnet2"


def _ovn(trial: Trial) -> Broken:
    ports, switch = trial.later.enter_context(following(Cloud(PORT), trial.directory))
    source = Ovn(ports, switch)
    wanted = (
        tuple(Nic(type="bridge", interface_id=it) for it in ids) for ids in (("lp-1",), ("lp-1", "lp-7"))
    )
    kept, broken = (_ask(source, Domain(uuid=A, name="web", nics=nics)) for nics in wanted)
    return kept, broken, "lp-7"


def _ndfc(_trial: Trial) -> Broken:
    source = Ndfc(AnsweredNdfc(NdfcAnswer(vlans={100: (Placement(fabric="dc1", network="web"),)})))
    wanted = ((Nic(type="bridge", vlans=(vlan,)),) for vlan in (100, 4000))
    kept, broken = (_ask(source, Domain(uuid=A, name="web", nics=nics)) for nics in wanted)
    return kept, broken, "4000"


class ToldUfm(UfmClient):
    """A client that has an answer and asks no service."""

    def __init__(self, shown: UfmAnswer) -> None:
        super().__init__(UfmSettings())
        self._told = shown

    def current(self) -> tuple[UfmAnswer, float, str]:
        """Return the answer."""
        return self._told, 1.0, ""


def _ufm(_trial: Trial) -> Broken:
    whole: dict[str, object] = {"0x1": {"partition": "acme", "guids": []}}
    kept, broken = (
        _ask(Ufm(ToldUfm(read_partitions(document)))) for document in (whole, {**whole, "0x2": "nothing"})
    )
    return kept, broken, "0x2"


def _host(trial: Trial) -> Broken:
    node = "sys/devices/system/node/node0"
    memory = "Node 0 MemTotal: 4 kB\nNode 0 MemFree: 2 kB\nNode 0 MemUsed: 1 kB\n"
    files = {
        "sys/devices/system/cpu/online": "0\n",
        "sys/devices/system/node/online": "0\n",
        "proc/meminfo": "MemTotal: 4 kB\nMemAvailable: 2 kB\n",
        "proc/stat": "cpu  10 0 10 100 0 0 0 0 0 0\n",
        f"{node}/cpulist": "0\n",
        f"{node}/meminfo": memory,
    }
    for path, text in files.items():
        (trial.directory / path).parent.mkdir(parents=True, exist_ok=True)
        (trial.directory / path).write_text(text)
    source = Host(trial.directory)
    kept, broken = (_ask(source, Domain(uuid=A, name="web", numa_nodes=nodes)) for nodes in ("0", "0-1"))
    return kept, broken, "1 of guest 'web'"


def _process(trial: Trial) -> Broken:
    (trial.directory / "self").mkdir()
    (trial.directory / "self/stat").write_text(Path("/proc/self/stat").read_text())
    return _ask(Process()), _ask(Process(trial.directory)), "self/fd"


PROMISES: Mapping[str, Promise] = {
    "definition": _definition,
    "libvirt_state": _libvirt_state,
    "libvirt_monitor": _libvirt_monitor,
    "procfs": _procfs,
    "cgroup": _cgroup,
    "netlink": _netlink,
    "uplinks": _uplinks,
    "sriov": _sriov,
    "vfio": _vfio,
    "nvml": _nvml,
    "redfish": _redfish,
    "infiniband": _infiniband,
    "ovs": _ovs,
    "ovn": _ovn,
    "ndfc": _ndfc,
    "ufm": _ufm,
    "host": _host,
    "process": _process,
}


@pytest.mark.parametrize("name", [source.name for source in NAMES])
def test_a_broken_promise_is_missed_and_named(name: str, tmp_path: Path) -> None:
    """The reading is whole while the promise is kept; when it is broken, what is missing is named once."""
    if name in NOTHING_PROMISED:
        return
    assert name in PROMISES, f"nothing here breaks a promise to the source {name}"
    with ExitStack() as later:
        kept, broken, named = PROMISES[name](Trial(tmp_path, later))
    assert (kept.missing, kept.partial) == (0, False), kept.notes
    assert broken.partial
    assert broken.missing >= 1
    assert any(named in note for note in broken.notes), broken.notes
