"""The table of the sources: names, defaults and descriptions, for flags and the configuration.

How sources are made is in `app.makers`: the command line needs this table without the C bindings.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceName:
    """One source; `name` is its name in flags, labels and the `sources` section."""

    name: str
    help: str
    default_on: bool = True


NAMES = (
    SourceName(name="definition", help="sizes, limits and descriptions from the guests' definitions"),
    SourceName(name="events", help="libvirt's events per guest"),
    SourceName(name="libvirt_state", help="guests' states, in one call that needs no monitor"),
    SourceName(
        name="libvirt_monitor", help="disk and balloon statistics and background jobs, from the monitors"
    ),
    SourceName(name="procfs", help="vCPU run time and run delay, threads and memory of the QEMU processes"),
    SourceName(name="cgroup", help="CPU throttling, memory and pressure of the guests' control groups"),
    SourceName(name="netlink", help="traffic of the guests' taps, from the guests' point of view"),
    SourceName(name="sriov", help="traffic and configuration of SR-IOV virtual functions (VFs)"),
    SourceName(name="vfio", help="PCI health of passed-through devices and GPUs, without touching them"),
    SourceName(name="nvml", help="NVIDIA GPUs of the host and their vGPUs, from NVIDIA's driver"),
    SourceName(
        name="redfish", help="GPUs, passed-through ones too, as their BMC knows them, where it is configured"
    ),
    SourceName(name="uplinks", help="the host's network cards and bonds, and which guests depend on them"),
    SourceName(name="infiniband", help="the host's InfiniBand and RoCE ports"),
    SourceName(name="ovs", help="the guests' ports on this machine's Open vSwitch"),
    SourceName(name="ovn", help="the guests' logical ports and networks in OVN, where it is configured"),
    SourceName(name="ndfc", help="what the guests' VLANs are in Cisco's fabric, where it is configured"),
    SourceName(name="ufm", help="the manager of the InfiniBand fabric, where it is configured"),
    SourceName(name="host", help="the hypervisor's processors, memory and huge pages"),
    SourceName(name="process", help="the collector's own cost"),
)
