"""From where a tenant's counters count, whatever happens to the daemon, its disk and its resolvers."""

import json
from pathlib import Path

import pytest

from hostcollector.outputs.tenant_page.lives import FILE_NAME, NEW_SECONDS, Life, Lives

UUID = "11111111-1111-4111-8111-111111111111"
START = 1_700_000_000.0


def one_qemu(_uuid: str, _started: float) -> str:
    """Name the same QEMU at every look."""
    return "boot 7 700"


def life_of(lives: Lives, tenant: str, now: float, start: float | None = START) -> Life:
    """Return the life, which must be known."""
    life = lives.of(UUID, tenant, start, now)
    assert life is not None
    return life


def test_a_new_vm_counts_from_its_start(tmp_path: Path) -> None:
    """What it did before the first look was its tenant's own work."""
    life = life_of(Lives(tmp_path, START - 60, patience=30), "acme", START + NEW_SECONDS)
    assert (life.since, life.own_part("cpu", 7.0)) == (START, (7.0, False))


def test_a_vm_of_unknown_past_counts_from_the_first_look(tmp_path: Path) -> None:
    """Without a record it may have been another tenant's: the page was off, or the disk was lost."""
    life = life_of(Lives(tmp_path, START - 60, patience=30), "acme", START + NEW_SECONDS + 1)
    assert life.since == START + NEW_SECONDS + 1
    assert life.own_part("cpu", 7000.0) == (0.0, True)
    assert life.own_part("cpu", 7003.0) == (3.0, False)


def test_a_new_vm_without_a_record_may_be_old_to_another_process(tmp_path: Path) -> None:
    """The daemon was started again after the VM, and its disk has no record: nothing before is shown."""
    life = life_of(Lives(tmp_path, START + 5, patience=30), "globex", START + 20)
    assert life.own_part("cpu", 15.0) == (0.0, True)


def test_a_counter_that_appears_later_counts_from_there(tmp_path: Path) -> None:
    """Its source may have been down while the VM was another tenant's."""
    life = life_of(Lives(tmp_path, START - 60, patience=30), "acme", START + 1000)
    assert life.own_part("energy", 90.0) == (0.0, True)


def test_a_counter_that_began_anew(tmp_path: Path) -> None:
    """The guest rebooted and counts from 0: nothing is taken off any more."""
    life = life_of(Lives(tmp_path, START - 60, patience=30), "acme", START + 1000)
    life.own_part("faults", 90.0)
    assert life.own_part("faults", 4.0) == (4.0, True)
    assert life.own_part("faults", 6.0) == (6.0, False)


@pytest.mark.parametrize("tenants", [("acme", "", "acme"), ("", "acme"), ("acme", "globex", "acme")])
def test_changes_of_tenant(tenants: tuple[str, ...], tmp_path: Path) -> None:
    """No answer changes nothing; every other tenant begins a life of its own."""
    lives = Lives(tmp_path, START - 60, patience=30)
    since, last = START, tenants[0]
    for number, tenant in enumerate(tenants):
        now = START + 1 + number
        life = life_of(lives, tenant, now)
        if tenant not in ("", last):
            since, last = now, tenant
        assert (life.tenant, life.since) == (last, since)


def test_a_vm_that_was_started_again_is_another_life(tmp_path: Path) -> None:
    """Its QEMU counts from 0, and so does its page."""
    lives = Lives(tmp_path, START - 60, patience=30)
    life_of(lives, "acme", START + 5000).own_part("cpu", 100.0)
    life = life_of(lives, "acme", START + 6001, start=START + 6000)
    assert (life.since, life.own_part("cpu", 1.0)) == (START + 6000, (1.0, False))


def test_a_clock_that_is_adjusted_is_no_start(tmp_path: Path) -> None:
    """The kernel's start of a process moves with the clock by less than a restart takes."""
    lives = Lives(tmp_path, START - 60, patience=30)
    life = life_of(lives, "acme", START + 1)
    assert life_of(lives, "acme", START + 60, start=START + 1.5) is life
    assert life_of(lives, "acme", START + 60, start=None) is life, "the source could not read it this time"


def test_lives_survive_a_restart(tmp_path: Path) -> None:
    """The next process takes off what this one did, and knows the tenant without any resolver."""
    lives = Lives(tmp_path, START - 60, patience=30)
    life_of(lives, "acme", START + 5000).own_part("cpu", 100.0)
    lives.changed()
    lives.keep_only({UUID})
    life = life_of(Lives(tmp_path, START + 5050, patience=30), "", START + 5060)
    assert (life.tenant, life.own_part("cpu", 130.0)) == ("acme", (30.0, False))


def test_a_step_of_the_clock_and_a_restart_begin_no_life(tmp_path: Path) -> None:
    """The start time moves with the clock; the QEMU is the same, and so are its start and its counters."""
    lives = Lives(tmp_path, START - 60, qemu_of=one_qemu, patience=30)
    assert life_of(lives, "acme", START + 1).whole
    lives.keep_only({UUID})
    again = Lives(tmp_path, START + 3650, qemu_of=one_qemu, patience=30)
    life = life_of(again, "", START + 3660, start=START + 3600)
    assert (life.tenant, life.since, life.own_part("cpu", 130.0)) == ("acme", START, (130.0, False))


def test_another_qemu_at_the_same_time_is_another_life(tmp_path: Path) -> None:
    """A step back of the clock gives a new QEMU the start of the one before: nothing of that is shown."""
    lives = Lives(tmp_path, START - 60, qemu_of=one_qemu, patience=30)
    life_of(lives, "acme", START + 5000).own_part("cpu", 100.0)
    lives.changed()
    lives.keep_only({UUID})
    again = Lives(tmp_path, START + 5050, qemu_of=lambda _uuid, _started: "boot 8 800", patience=30)
    life = life_of(again, "globex", START + 5060)
    assert (life.tenant, life.own_part("cpu", 7.0)) == ("globex", (0.0, True))


def test_a_record_of_an_older_release_learns_the_qemu(tmp_path: Path) -> None:
    """It goes by the start time once, and by the QEMU from then on."""
    lives = Lives(tmp_path, START - 60, patience=30)
    life_of(lives, "acme", START + 1)
    lives.keep_only({UUID})
    path = tmp_path / FILE_NAME
    document = json.loads(path.read_text())
    del document["lives"][UUID]["qemu"]
    path.write_text(json.dumps(document))
    again = Lives(tmp_path, START + 50, qemu_of=one_qemu, patience=30)
    assert life_of(again, "acme", START + 60).whole
    again.keep_only({UUID})
    third = Lives(tmp_path, START + 3650, qemu_of=one_qemu, patience=30)
    assert life_of(third, "acme", START + 3660, start=START + 3600).since == START


def test_a_damaged_record_shows_less_and_never_more(tmp_path: Path) -> None:
    """Counters begin at 0 again, and the operator reads why."""
    lives = Lives(tmp_path, START - 60, patience=30)
    life_of(lives, "acme", START + 5000).own_part("cpu", 100.0)
    lives.changed()
    lives.keep_only({UUID})
    (tmp_path / FILE_NAME).write_text('{"version": 1, "lives": {"x": 3}}')
    again = Lives(tmp_path, START + 5050, patience=30)
    assert life_of(again, "acme", START + 5060).own_part("cpu", 130.0) == (0.0, True)
    assert "counters of the tenant page begin at 0 again" in again.problems[0]


def test_lives_that_are_over_are_forgotten(tmp_path: Path) -> None:
    """A VM that comes back is seen for the first time."""
    lives = Lives(tmp_path, START - 60, patience=30)
    life = life_of(lives, "acme", START + 1)
    lives.keep_only(set())
    assert life_of(lives, "acme", START + 2) is not life


def test_a_command_by_hand_leaves_the_record_as_it_is(tmp_path: Path) -> None:
    """Beside a daemon it reads the record only."""
    lives = Lives(tmp_path, START - 60, writes=False)
    life_of(lives, "acme", START + 1)
    lives.keep_only({UUID})
    assert not (tmp_path / FILE_NAME).exists()
