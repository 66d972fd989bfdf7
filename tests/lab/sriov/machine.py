"""The emulated hypervisor, switched on once, and what it reported about itself."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tests.lab.process import end, spawn, until
from tests.lab.sriov.findings import UP, Findings
from tests.lab.sriov.parts import Parts, gather

KERNEL_PARAMETERS = "console=ttyS0 quiet panic=-1 no_timer_check intel_iommu=on iommu=pt mitigations=off"
# Never KVM: in a machine that is virtual itself it may be there and yet boot nothing.
MACHINE = (
    *("-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048", "-machine", "q35,kernel-irqchip=split"),
    *("-device", "intel-iommu,intremap=on,caching-mode=on"),
    *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
    *("-netdev", "user,id=net,restrict=on", "-device", "pcie-root-port,id=slot1,chassis=1,slot=1"),
    *("-device", "igb,netdev=net,bus=slot1,romfile="),
    # Used as a GPU: a display without VGA, for which the kernel in there has no driver.
    *("-device", "pcie-root-port,id=slot2,chassis=2,slot=2", "-device", "bochs-display,bus=slot2,romfile="),
    *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
)
SECONDS_TO_BOOT, SECONDS = 180.0, 1800.0
"""How long the boot and the whole run may take; inside, the run is given up two minutes earlier.

The second limit is the machine's own, so that it ends even if the tests are killed.
"""


class BootError(Exception):
    """The emulated machine did not get as far as our own program."""


T = TypeVar("T")


def run_once() -> Findings:
    """Return what was seen of a VF that goes from guest to guest; raises as `run` does."""
    return run("tests.lab.sriov.inside", Findings.read)


def run(inside: str, read: Callable[[Path], T]) -> T:
    """Run the module `inside`, and return what `read` finds in its directory after the power-off.

    Raises ChildProcessError with the machine's last words if it fails.

    A machine that does not come up is switched on a second time, because emulated ones on busy processors
    have been seen to lose their timer: that says nothing about the collector.
    """
    parts = gather(inside, SECONDS - 120)
    try:
        return _run(parts, read)
    except BootError as error:
        print(error)
        return _run(parts, read)


def _run(parts: Parts, read: Callable[[Path], T]) -> T:
    with tempfile.TemporaryDirectory(prefix="hostcollector-sriov-") as directory:
        outbox = Path(directory)
        console, initramfs = outbox / "console.log", outbox / "initramfs"
        initramfs.write_bytes(parts.initramfs)
        child = spawn(_command(parts, initramfs, outbox), console, {**os.environ, **parts.environment})
        try:
            with suppress(TimeoutError):
                until(lambda: child.poll() is not None or UP in _text(console), SECONDS_TO_BOOT, "the boot")
            if UP not in _text(console):
                raise BootError(f"the emulated hypervisor did not boot\n{_text(console)[-3000:]}")
            child.wait()
        finally:
            end(child)
        print(_text(console))
        try:
            return read(outbox)
        except FileNotFoundError:
            raise ChildProcessError(f"the emulated hypervisor failed\n{_last_words(outbox)}") from None


def _command(parts: Parts, initramfs: Path, outbox: Path) -> list[str]:
    boot = ("-kernel", str(parts.kernel), "-initrd", str(initramfs), "-append", KERNEL_PARAMETERS)
    share = f"local,path={outbox},mount_tag=outbox,security_model=none"
    return ["timeout", str(SECONDS), *parts.qemu, *MACHINE, *boot, "-virtfs", share]


def _last_words(outbox: Path) -> str:
    """Return the ends of the logs: the serial line, the collector and `diagnose`."""
    logs = sorted(outbox.glob("*.log"))
    return "\n".join(f"--- {log.name}\n{_text(log)[-3000:]}" for log in logs)


def _text(log: Path) -> str:
    return log.read_text(errors="replace")
