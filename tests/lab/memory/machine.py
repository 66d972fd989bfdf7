"""The emulated hypervisor, switched on once; what it saw lies in a directory."""

import os
from contextlib import suppress
from pathlib import Path

from tests.lab.memory.inside import DONE, UP
from tests.lab.process import end, spawn, until
from tests.lab.sriov.parts import gather

HUGE_PAGES = 64
SECONDS_TO_BOOT, SECONDS = 300.0, 1500.0
_NODE = "memory-backend-ram,size=1024M,id=memory{0}"
# Never KVM: in a machine that is virtual itself it may be there and yet boot nothing.
MACHINE = (
    *("-accel", "tcg,thread=multi", "-smp", "4", "-m", "2048", "-machine", "q35"),
    *("-object", _NODE.format(0), "-numa", "node,nodeid=0,cpus=0-1,memdev=memory0"),
    *("-object", _NODE.format(1), "-numa", "node,nodeid=1,cpus=2-3,memdev=memory1"),
    *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
    *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
)
KERNEL_PARAMETERS = (
    f"console=ttyS0 quiet panic=-1 no_timer_check mitigations=off hugepages={HUGE_PAGES} psi=1"
)


def run_once(outbox: Path) -> None:
    """Boot, watch and switch off; `outbox` then holds what `inside` wrote. Raises `ChildProcessError`."""
    parts = gather("tests.lab.memory.inside", SECONDS - 120)
    console, initramfs, disk = outbox / "console.log", outbox / "initramfs", outbox / "disk.raw"
    initramfs.write_bytes(parts.initramfs)
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    command = [
        *("timeout", str(SECONDS), *parts.qemu, *MACHINE),
        *("-kernel", str(parts.kernel), "-initrd", str(initramfs), "-append", KERNEL_PARAMETERS),
        *("-virtfs", f"local,path={outbox},mount_tag=outbox,security_model=none"),
        *("-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"),
    ]
    child = spawn(command, console, {**os.environ, **parts.environment})
    try:
        with suppress(TimeoutError):
            until(lambda: child.poll() is not None or UP in _text(console), SECONDS_TO_BOOT, "the boot")
        child.wait()
    finally:
        end(child)
    print(_text(console))
    if not (outbox / DONE).exists():
        logs = "\n".join(_text(log)[-3000:] for log in sorted(outbox.glob("*.log")))
        raise ChildProcessError(f"the emulated hypervisor failed\n{logs}")


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""
