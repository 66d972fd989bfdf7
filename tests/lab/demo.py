"""The demo: five guests of two tenants and of none, collector, Prometheus, the tenants' pages, a live table.

It ends with Ctrl-C, or by itself after DEMO_SECONDS; `--down` cleans up after one that was killed.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tests.lab import demo_tenants, laboratory
from tests.lab.demo_guests import TENANTS, five_guests, owner
from tests.lab.demo_tenants import TenantSide
from tests.lab.hypervisor import Hypervisor, PrivateHypervisor
from tests.lab.image import CACHE, GuestImage
from tests.lab.process import Process, spawn, until
from tests.lab.prometheus import Prometheus, answers, free_port
from tests.lab.traces import Traces

TRACES = CACHE / "demo.json"
HOSTCOLLECTOR = Path(sys.executable).with_name("hostcollector")
QUERY = "sum by (tenant) (rate(libvirt_domain_vcpu_time_seconds_total[30s]))"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo, or clean up after one, and return the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="end what a killed demo left behind")
    down = parser.parse_args(arguments).down
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    earlier = Traces.load(TRACES)
    if earlier is not None:
        if earlier.owner.alive() and not down:
            print(
                f"A demo runs already, as process {earlier.owner.pid}: see 'make demo-down'.", file=sys.stderr
            )
            return 1
        print("cleaning up after an earlier demo ...", flush=True)
        earlier.owner.end(grace=60)  # one that still runs cleans up by itself
        earlier.clean()
    return 0 if down else _demonstrate()


def _demonstrate() -> int:
    seconds, started = float(os.environ.get("DEMO_SECONDS") or 0), time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    directory = Path(tempfile.mkdtemp(prefix="hostcollector-demo-", dir="/var/tmp"))
    directory.chmod(0o755)  # a libvirtd that was here before runs QEMU as another user
    traces = Traces(TRACES, Process.of(os.getpid()), directory, private=not _libvirtd_answers())
    traces.save()
    try:
        page, prometheus, tenants = _start(traces, started)
        if not seconds:
            return _watch(page, None, traces)
        tenants.wait_for_rates(60.0)
        print(f"the tenants' charts have lines after {time.monotonic() - started:.0f} s", flush=True)
        return _rehearse(page, prometheus, seconds, traces)
    except KeyboardInterrupt:
        return 0
    except (OSError, AssertionError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        print("ending everything that was started ...", flush=True)
        traces.clean()


def _start(traces: Traces, started: float) -> tuple[str, Prometheus, TenantSide]:
    """Start everything in turn; return the collector's page, the Prometheus and the tenants' side."""
    if traces.private:
        print("[1/6] starting a private libvirtd: none answers on qemu:///system ...", flush=True)
        hypervisor: Hypervisor = PrivateHypervisor.start(traces.directory)
    else:
        print("[1/6] using the libvirtd of qemu:///system; its own guests are only shown ...", flush=True)
        hypervisor = Hypervisor(traces.directory, "qemu:///system", "qemu:///system", Path("/run/libvirt"))
    print("[2/6] preparing a kernel for the guests ...", flush=True)
    built = GuestImage.build()
    image = GuestImage(traces.directory / "kernel", traces.directory / "initramfs")
    shutil.copyfile(built.kernel, image.kernel)  # libvirt may change their owner
    shutil.copyfile(built.initramfs, image.initramfs)
    print("[3/6] booting five guests ...", flush=True)
    guests = five_guests()
    traces.guests = [] if traces.private else [guest.uuid for guest in guests]
    traces.save()
    for guest in hypervisor.boot_all(guests, image):
        guest.account(timeout=180)
        print(f"      {guest.guest.name} is at work", flush=True)
    print("[4/6] starting the collector ...", flush=True)
    address = f"127.0.0.1:{free_port(10177)}"
    settings = traces.directory / "hostcollector.yml"
    settings.write_text("tenants: {page: true}\n")
    serve = ("serve", f"--libvirt.uri={hypervisor.uri_readonly}", f"--web.listen-address={address}")
    command = [str(HOSTCOLLECTOR), *serve, f"--config.file={settings}"]
    _serve("collector", command, f"http://{address}/-/ready", traces)
    print("[5/6] starting Prometheus ...", flush=True)
    prometheus = Prometheus(traces.directory / "prometheus", free_port(9090))
    _serve("prometheus", prometheus.command(address), f"{prometheus.url}/-/ready", traces)
    print("[6/6] starting the tenants' store, its agent and the gateway ...", flush=True)
    names = {
        tenant: {guest.uuid: guest.name for guest in guests if owner(guest) == tenant}
        for tenant in TENANTS - {""}
    }
    tenants = demo_tenants.start(
        traces.directory, address, names, lambda name, command, ready: _serve(name, command, ready, traces)
    )
    tenants.wait_for_vms(2, 60.0)
    print(f"      all runs after {time.monotonic() - started:.0f} s")
    print(f"\nthe collector's page  http://{address}/\nPrometheus            {prometheus.url}/")
    print(f"ask it for            {QUERY}\n")
    print("what each tenant sees of its own VMs, for an hour:")
    for tenant, link in tenants.links().items():
        print(f"  {tenant:<32}  {link}")
    print(flush=True)
    return f"http://{address}/metrics", prometheus, tenants


def _serve(name: str, command: Sequence[str], ready: str, traces: Traces) -> None:
    """Start a server, write it down, and wait until it is ready."""
    log = traces.directory / f"{name}.log"
    child = spawn(command, log)
    traces.processes.append(Process.of(child.pid))
    traces.save()
    with suppress(TimeoutError):
        until(lambda: child.poll() is not None or answers(ready), 30.0, name)
    if child.poll() is not None or not answers(ready):
        raise ChildProcessError(f"the {name} did not start:\n{log.read_text()[-2000:]}")


def _watch(page: str, seconds: float | None, traces: Traces) -> int:
    """Show the live table until it is left, or for so many seconds."""
    table = subprocess.Popen([HOSTCOLLECTOR, "top", "--url", page])
    traces.processes.append(Process.of(table.pid))
    traces.save()
    try:
        return table.wait(seconds)
    except subprocess.TimeoutExpired:
        table.send_signal(signal.SIGINT)
        table.wait(10)
        return 0
    except KeyboardInterrupt:
        table.wait(10)  # the terminal has signalled it too
        return 0


def _rehearse(page: str, prometheus: Prometheus, seconds: float, traces: Traces) -> int:
    """Run for so many seconds, then show that Prometheus has every tenant's work, and the table."""
    if sys.stdout.isatty():
        _watch(page, seconds, traces)
    else:
        time.sleep(seconds)

    def rates() -> dict[str, float]:
        return prometheus.by_label(QUERY, "tenant")

    def complete() -> bool:
        found = rates()
        expected = set(found) == TENANTS if traces.private else set(found) >= TENANTS
        return expected and all(found[tenant] > 0 for tenant in TENANTS)

    with suppress(TimeoutError):  # after a short run the first two scrapes may still be ahead
        until(complete, 20.0, "every tenant's rate")
    passed = complete()
    print(QUERY)
    for tenant, rate in sorted(rates().items()):
        print(f"  {{tenant={tenant!r}}} {rate:.4f}")
    print(
        "exactly the tenants expected, all above 0" if passed else f"NOT the tenants expected: {TENANTS}",
        flush=True,
    )
    table = subprocess.run([HOSTCOLLECTOR, "top", "--once", "--url", page], check=False)
    return 0 if passed and table.returncode == 0 else 1


def _libvirtd_answers() -> bool:
    """Tell whether this machine has a libvirtd, without waiting for one that hangs."""
    command = ["virsh", "--readonly", "--connect", "qemu:///system", "version"]
    with suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    return False


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
