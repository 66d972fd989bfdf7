"""The description of a guest by a few parameters, and the libvirt domain that it becomes."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from tests.lab.image import GuestImage
from tests.lab.workload import Workload

MIB = 1024 * 1024
# "cli; hlt", jumped back to after a non-maskable interrupt: a guest that uses no CPU at all.
BOOT_SECTOR = b"\xfa\xf4\xeb\xfc".ljust(510, b"\0") + b"\x55\xaa"
# Without tests of its own ciphers and mitigations the kernel boots a second faster; without IPv6 the only
# frames on the interface are the workload's.
# A non-maskable interrupt is how the host makes a guest panic.
KERNEL_PARAMETERS = (
    "console=ttyS0 quiet panic=-1 ipv6.disable=1 cryptomgr.notests mitigations=off unknown_nmi_panic"
)
NOTHING = Workload()
AGENT_CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
"""For a guest's `devices`: the channel of QEMU's guest agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A virtio disk on a raw file."""

    size: int = 64 * MIB
    serial: str = ""
    iotune: Mapping[str, int] = field(default_factory=dict)
    """Limits by libvirt's element names, such as total_iops_sec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest to boot; without a workload it has no kernel and halts in its boot sector."""

    name: str
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    title: str = ""
    vcpus: int = 1
    memory_mib: int = 128
    disks: tuple[Disk, ...] = (Disk(),)
    nics: int = 1
    """Taps without a bridge."""
    metadata: str = ""
    """XML elements for <metadata>, made by `tests.lab.metadata`."""
    workload: Workload | None = NOTHING
    machine: str = "pc"
    balloon_period: int = 2
    """Seconds between two reports of the balloon's driver."""
    kernel_parameters: str = ""
    """More parameters of the kernel; the last one of a name counts."""
    elements: str = ""
    """More XML for <domain>, as it is."""
    devices: str = ""
    """More XML for <devices>, as it is."""
    boot_sector: bytes = BOOT_SECTOR
    """Machine code of the first disk, which a guest without a workload runs."""

    @classmethod
    def idle(
        cls,
        name: str,
        *,
        metadata: str = "",
        memory_mib: int = 32,
        vcpus: int = 1,
        balloon_period: int = 2,
        nics: int = 1,
        devices: str = "",
    ) -> "Guest":
        """Return a kernel-less guest that starts in under a second and then does nothing: for numbers."""
        disks = (Disk(size=MIB),)
        return cls(
            name=name,
            metadata=metadata,
            memory_mib=memory_mib,
            vcpus=vcpus,
            balloon_period=balloon_period,
            disks=disks,
            nics=nics,
            devices=devices,
            workload=None,
        )


def disk_file(directory: Path, number: int) -> Path:
    """Return where a guest's disk lies in the guest's directory."""
    return directory / f"disk{number}.raw"


def serial_file(directory: Path) -> Path:
    """Return where a guest's serial line is written."""
    return directory / "serial.log"


def make_disks(guest: Guest, directory: Path) -> None:
    """Create the sparse disk files, the first one with the boot sector that halts."""
    for number, disk in enumerate(guest.disks):
        with disk_file(directory, number).open("wb") as file:
            if number == 0:
                file.write(guest.boot_sector)
            file.truncate(disk.size)


def domain_xml(guest: Guest, directory: Path, image: GuestImage | None) -> str:
    """Return the domain; TCG always, because /dev/kvm of a virtual machine may not boot anything."""
    disks = "".join(_disk(disk, number, directory) for number, disk in enumerate(guest.disks))
    nics = "<interface type='ethernet'><model type='virtio'/></interface>" * guest.nics
    return f"""<domain type='qemu'>
  <name>{escape(guest.name)}</name>
  <uuid>{guest.uuid}</uuid>
  {f"<title>{escape(guest.title)}</title>" if guest.title else ""}
  {f"<metadata>{guest.metadata}</metadata>" if guest.metadata else ""}
  <memory unit='MiB'>{guest.memory_mib}</memory>
  <vcpu>{guest.vcpus}</vcpu>
  <os><type arch='x86_64' machine='{guest.machine}'>hvm</type>{_boot(guest, image)}</os>
  <features><acpi/></features>
  {guest.elements}
  <devices>
    {disks}{nics}
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{escape(str(serial_file(directory)))}'/></serial>
    <memballoon model='virtio'><stats period='{guest.balloon_period}'/></memballoon>
    {guest.devices}
  </devices>
</domain>"""


def _boot(guest: Guest, image: GuestImage | None) -> str:
    if guest.workload is None:
        return "<boot dev='hd'/>"
    if image is None:
        raise ValueError(f"{guest.name} has a workload: it needs a guest image to boot")
    parameters = f"{KERNEL_PARAMETERS} {guest.kernel_parameters} {guest.workload.kernel_parameters()}"
    return (
        f"<kernel>{escape(str(image.kernel))}</kernel><initrd>{escape(str(image.initramfs))}</initrd>"
        f"<cmdline>{parameters}</cmdline>"
    )


def _disk(disk: Disk, number: int, directory: Path) -> str:
    serial = f"<serial>{escape(disk.serial)}</serial>" if disk.serial else ""
    limits = "".join(f"<{name}>{value}</{name}>" for name, value in disk.iotune.items())
    return f"""<disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{escape(str(disk_file(directory, number)))}'/>
      <target dev='vd{chr(ord("a") + number)}' bus='virtio'/>
      {serial}{f"<iotune>{limits}</iotune>" if limits else ""}
    </disk>"""
