"""Guests that end, are paused, saved or come to harm: the page says so, and nothing else changes."""

import time
from pathlib import Path

import libvirt
import pytest

from tests.lab.connection import connected
from tests.lab.guest import Guest
from tests.lab.matrix.harm import EVERYTHING, MONITOR, NO_HARM, Harm
from tests.lab.matrix.reading import gone, in_state, told_of_its_memory_after
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]


def test_a_qemu_is_stopped_in_the_middle_of_scrapes(on_stage: Scene, begin: Begin) -> None:
    """Wherever in a scrape it stops, the page of the others is whole."""
    victim = on_stage.guests[0]
    with begin("QEMU stopped in mid-scrape", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(Harm.to([victim], MONITOR)):
                for tenths in range(1, 6):  # each time in another part of the clients' second
                    victim.stop()
                    time.sleep(0.8 + tenths / 10)
                    victim.cont()
                    time.sleep(0.25)


def test_a_qemu_is_killed(on_stage: Scene, begin: Begin) -> None:
    """Its series end with it, and those of its next life start anew."""
    with begin("QEMU killed", on_stage.watched) as row:
        for _ in row.each_round():
            victim = on_stage.guests[0]
            with row.fault(Harm.to([victim], EVERYTHING)):
                victim.kill()
                row.bury(victim)
                row.see(gone(victim), "the killed guest is gone")
                row.revive(victim)
                on_stage.boot_again(0)


def test_guests_end_in_the_middle_of_scrapes(on_stage: Scene, begin: Begin) -> None:
    """Guests that end one after the other during a scrape leave the page and disturb no other guest."""
    with begin("QEMUs exiting during the scrape", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(NO_HARM):
                wanted = [Guest.idle(f"visitor-{number}") for number in range(5)]
                visitors = on_stage.hypervisor.boot_all(wanted)
                row.keep_scraping()
                for visitor in visitors:
                    visitor.kill()
                    time.sleep(0.23)
                for visitor in visitors:
                    row.bury(visitor)
                row.see(gone(*visitors), "the visitors are gone")


def test_a_guest_crashes_with_a_core(on_stage: Scene, begin: Begin, tmp_path: Path) -> None:
    """While libvirt writes the core the page goes on, and after it the guest is gone."""
    with begin("crash with core", on_stage.watched) as row:
        for _ in row.each_round():
            victim = on_stage.guests[0]
            core = tmp_path / "core"
            with row.fault(Harm.to([victim], EVERYTHING)):
                with victim.domain() as domain:
                    domain.coreDump(str(core), libvirt.VIR_DUMP_CRASH | libvirt.VIR_DUMP_MEMORY_ONLY)
                row.bury(victim)
                assert core.stat().st_size > 0
                core.unlink()
                row.see(gone(victim), "the crashed guest is gone")
                row.revive(victim)
                on_stage.boot_again(0)


def test_a_guest_panics(on_stage: Scene, begin: Begin) -> None:
    """The page says that the guest has panicked, and its counters stay what they were."""
    victim = on_stage.guests[0]
    with begin("guest panic", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(Harm.to([victim], MONITOR)), victim.domain() as domain:
                domain.injectNMI()
                row.see(in_state(victim, "crashed", "panicked"), "the guest has panicked")
                row.keep_scraping()
                domain.reset()
                restarted = time.time()
                domain.resume()
                # Only then do the counters of its new kernel replace the old one's.
                row.see(told_of_its_memory_after(victim, restarted), "the guest has booted again", 90.0)


def test_a_guest_is_paused_by_its_operator(on_stage: Scene, begin: Begin) -> None:
    """The page says so, and lacks nothing."""
    victim = on_stage.guests[0]
    with begin("paused by the operator", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(NO_HARM), victim.domain() as domain:
                domain.suspend()
                row.see(in_state(victim, "paused", "user"), "the guest is paused by its user")
                row.keep_scraping()
                domain.resume()
                row.see(in_state(victim, "running", "unpaused"), "the guest runs again")


def test_a_guest_is_saved_and_restored(on_stage: Scene, begin: Begin, tmp_path: Path) -> None:
    """It is gone while it is on disk, and what is restored is a new life with counters of its own."""
    saved = tmp_path / "saved"
    with begin("saved and restored", on_stage.watched) as row:
        for _ in row.each_round():
            victim = on_stage.guests[0]
            with row.fault(Harm.to([victim], EVERYTHING)):
                with victim.domain() as domain:
                    domain.save(str(saved))
                row.bury(victim)
                row.see(gone(victim), "the saved guest is gone")
                row.revive(victim)
                with connected(on_stage.hypervisor.uri) as connection:
                    connection.restore(str(saved))
                on_stage.guests[0] = on_stage.hypervisor.running(victim.guest)
                row.see(in_state(victim, "running", "restored"), "the guest is restored")
