"""The emulated hypervisor, switched on once, and what it told about itself."""

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.lab.process import end, spawn
from tests.lab.sriov.findings import Findings
from tests.lab.sriov.parts import Parts, gather

KERNEL_PARAMETERS = "console=ttyS0 quiet panic=-1 no_timer_check intel_iommu=on iommu=pt mitigations=off"
# Never KVM: in a machine that is virtual itself it may be there and yet boot nothing.
MACHINE = (
    *("-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048", "-machine", "q35,kernel-irqchip=split"),
    *("-device", "intel-iommu,intremap=on,caching-mode=on"),
    *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
    *("-netdev", "user,id=net,restrict=on", "-device", "pcie-root-port,id=slot1,chassis=1,slot=1"),
    *("-device", "igb,netdev=net,bus=slot1,romfile="),
    *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
)
SECONDS = 260.0
"""How long a run may take; the machine itself gives up a little earlier."""


def run_once() -> Findings:
    """Run the hypervisor from power-on to power-off; ChildProcessError with its last words if it fails."""
    parts = gather()
    with tempfile.TemporaryDirectory(prefix="hostcollector-sriov-") as directory:
        outbox = Path(directory)
        log = outbox / "console.log"
        child = spawn(_command(parts, outbox), log, {**os.environ, **parts.environment})
        try:
            with suppress(subprocess.TimeoutExpired):
                child.wait(SECONDS)
        finally:
            end(child)
        print(log.read_text(errors="replace"))
        try:
            return Findings.read(outbox)
        except FileNotFoundError:
            raise ChildProcessError(f"the emulated hypervisor failed\n{_last_words(outbox)}") from None


def _command(parts: Parts, outbox: Path) -> list[str]:
    boot = ("-kernel", str(parts.kernel), "-initrd", str(parts.initramfs), "-append", KERNEL_PARAMETERS)
    share = f"local,path={outbox},mount_tag=outbox,security_model=none"
    return [*parts.qemu, *MACHINE, *boot, "-virtfs", share]


def _last_words(outbox: Path) -> str:
    """Return the ends of the logs: the serial line, the collector and `diagnose`."""
    logs = sorted(outbox.glob("*.log"))
    return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)
