"""Migrations between two libvirtds are on the page as virsh reports them: running, short, and failed ones."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.guest import MIB, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.migration import migrating
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page, Served, serving
from tests.lab.workload import Workload

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(180)]

JOBS = "hostcollector_host_domain_jobs_total"
DURATIONS = "hostcollector_host_domain_job_duration_seconds_bucket"
DOWNTIMES = "hostcollector_host_domain_job_downtime_seconds_bucket"
JOB = "libvirt_domain_job_info_"
LAST_DOWNTIME = "libvirt_domain_last_migration_downtime_seconds"
PAGE_BYTES = 4096
SLOW_MIB_PER_SECOND = 12
SCRAPE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Side:
    """A hypervisor and the collector on it."""

    hypervisor: PrivateHypervisor
    served: Served

    def ended(self, page: Page | None = None) -> dict[tuple[str, str], float]:
        """Return the jobs that the page counts, without those that are 0."""
        found = (page or self.served.page()).all(JOBS)
        named = {
            (dict(labels)["operation"], dict(labels)["result"]): count for labels, count in found.items()
        }
        return {what: count for what, count in named.items() if count}

    def virsh(self, guest: RunningGuest, *flags: str) -> dict[str, str]:
        """Return virsh's account of the guest's job, by its words."""
        command = ("virsh", "--readonly", "-c", self.hypervisor.uri_readonly, "domjobinfo", guest.guest.name)
        answer = subprocess.run([*command, *flags], capture_output=True, text=True, check=True).stdout
        return {
            word: value.strip() for word, value in re.findall(r"^([A-Z][^:]*): +(.*)$", answer, re.MULTILINE)
        }


@contextmanager
def _side(hypervisor: PrivateHypervisor, directory: Path) -> Iterator[Side]:
    """Run a collector that sees the hypervisor's own /run."""
    directory.mkdir()
    inside = ("nsenter", f"--mount=/proc/{hypervisor.pid}/ns/mnt")
    with serving(hypervisor.uri_readonly, directory, within=inside) as served:
        yield Side(hypervisor, served)


def test_migrations_are_counted_and_measured(guest_image: GuestImage, tmp_path: Path) -> None:
    """A cancelled migration, a long one that is followed, and one between two scrapes."""
    work = Workload(memory_bytes=24 * MIB, period_seconds=0.3)
    with PrivateHypervisor.start() as first, PrivateHypervisor.start() as second, ExitStack() as sides:
        guest = first.boot(Guest(name="mover", memory_mib=96, nics=0, workload=work), guest_image)
        here = sides.enter_context(_side(first, tmp_path / "here"))
        there = sides.enter_context(_side(second, tmp_path / "there"))
        guest.account("ready")
        assert here.ended() == there.ended() == {}
        _one_is_cancelled(guest, here, there)
        _one_is_followed(guest, here, there)
        _one_is_short(second.running(guest.guest), here, there)


def _one_is_cancelled(guest: RunningGuest, here: Side, there: Side) -> None:
    """Cancel one: it has failed, although libvirt has no event for it on the source."""
    with migrating(guest, there.hypervisor, SLOW_MIB_PER_SECOND) as errors:
        running = "libvirt_domain_job_operation_info"
        here.served.page_where(
            lambda page: bool(page.all(running, operation="migration_out")), "the migration on the page"
        )
        with guest.domain() as domain:
            domain.abortJob()
    assert "canceled" in errors[0]
    failed = {("migration_out", "failed"): 1}
    here.served.page_where(lambda page: here.ended(page) == failed, "the failed migration")
    assert there.ended() in ({}, {("migration_in", "failed"): 1})  # cancelled before QEMU started there


def _one_is_followed(guest: RunningGuest, here: Side, there: Side) -> None:
    """Follow one: the page has virsh's figures, and at the target the downtime that virsh reports there."""
    uuid = guest.guest.uuid
    with migrating(guest, there.hypervisor, SLOW_MIB_PER_SECOND) as errors:
        pages: list[tuple[dict[str, str], Page]] = []

        def between_equal_figures() -> bool:
            before, page, after = here.virsh(guest), here.served.page(), here.virsh(guest)
            pages[:] = [(before, page)]
            same = all(before.get(word) == after.get(word) for word in ("Iteration", "Dirty rate"))
            return (
                same
                and int(before.get("Iteration", "0")) > 1
                and bool(page.all(f"{JOB}dirty_bytes_per_second"))
            )

        until(between_equal_figures, 60, "an iteration that lasts as long as a page")
        reported, page = pages[0]
        with guest.domain() as domain:
            domain.migrateSetMaxSpeed(10_000)
    assert not errors
    dirty_pages = int(reported["Dirty rate"].split()[0])
    assert page.one(f"{JOB}dirty_bytes_per_second", uuid=uuid) == dirty_pages * PAGE_BYTES
    assert page.one(f"{JOB}iteration", uuid=uuid) == int(reported["Iteration"])
    assert page.one("libvirt_domain_job_operation_info", uuid=uuid, operation="migration_out") == 1
    until(lambda: here.ended().get(("migration_out", "completed")) == 1, 10, "the migration's end")
    arrived = there.served.page_where(lambda seen: bool(seen.all(LAST_DOWNTIME)), "the guest's downtime")
    downtime = there.virsh(guest, "--completed", "--keep-completed")["Total downtime"]
    assert arrived.one(LAST_DOWNTIME, uuid=uuid) == pytest.approx(float(downtime.split()[0]) / 1000)
    ended = here.served.page()
    assert ended.one(DURATIONS, operation="migration_out", le="+Inf") == 1
    assert ended.one(DOWNTIMES, operation="migration_out", le="+Inf") == 1


def _one_is_short(guest: RunningGuest, here: Side, there: Side) -> None:
    """Make no page while one runs: both sides have counted it."""
    with migrating(guest, here.hypervisor) as errors:
        pass
    assert not errors
    until(lambda: there.ended().get(("migration_out", "completed")) == 1, 10, "the count at its source")
    until(lambda: here.ended().get(("migration_in", "completed")) == 1, 10, "the count at its target")
    seconds = [
        float(dict(labels)["le"])
        for labels, count in there.served.page().all(DURATIONS, operation="migration_out").items()
        if count
    ]
    assert min(seconds) < SCRAPE_SECONDS
