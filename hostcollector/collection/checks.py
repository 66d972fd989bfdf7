"""Two checks of each guest by rules: the first rule that applies gives the result. See docs/liveness.md.

A check fails by two signs that agree, or by a fault that QEMU, the kernel or a device reports itself. Without
enough signs the result is unknown, and the check is absent from the page.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from hostcollector.base.model import Guest, Sample
from hostcollector.catalogue import liveness
from hostcollector.collection.availability import Availability
from hostcollector.collection.signs import RUNNING, Families, Labels, Signs, Watch

PATIENCE_SECONDS = 60.0
"""How long a QEMU may be silent, and an agent away, before the check fails."""

BUSY_VCPUS = 0.5
"""A guest that is stuck in a loop keeps one vCPU busy; on a crowded host it gets half of it."""

_CRASHED = 6


class CheckName(StrEnum):
    """The two checks."""

    SYSTEM = "system"
    INSTANCE = "instance"


class Result(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


_PASSED = {Result.PASSED: True, Result.FAILED: False, Result.UNKNOWN: None}


class Rule(NamedTuple):
    """One line of the table: with `applies` the check has the result, for this reason."""

    result: Result
    reason: str
    applies: Callable[[Signs, float], bool]


def _always(_signs: Signs, _silent: float) -> bool:
    return True


def _runs(signs: Signs) -> bool:
    return signs.state in RUNNING


def _lasts(seconds: float | None, least: float) -> bool:
    return seconds is not None and seconds >= least


def _hangs(signs: Signs, _silent: float) -> bool:
    silent, still = signs.monitor_silent, signs.counters.vcpus_still
    return _lasts(silent, PATIENCE_SECONDS) and _lasts(still, PATIENCE_SECONDS)


def _is_dead(signs: Signs, silent: float) -> bool:
    """Whether balloon driver and devices have been silent for so long."""
    return _lasts(signs.balloon_age, silent) and _lasts(signs.counters.devices_still, silent)


_UNKNOWN_STATE = Rule(Result.UNKNOWN, "state_unknown", lambda signs, _: signs.state is None)
_NOT_RUNNING = Rule(Result.UNKNOWN, "not_running", lambda signs, _: not _runs(signs))

RULES: Mapping[CheckName, tuple[Rule, ...]] = {
    CheckName.SYSTEM: (
        _UNKNOWN_STATE,
        Rule(Result.FAILED, "paused_by_disk_error", lambda s, _: not _runs(s) and s.reason == "ioerror"),
        _NOT_RUNNING,
        Rule(Result.FAILED, "disk_error", lambda signs, _: signs.io_error),
        Rule(Result.FAILED, "gpu_critical", lambda signs, _: signs.gpu_critical),
        Rule(Result.FAILED, "port_down", lambda signs, _: signs.port_down),
        Rule(Result.FAILED, "qemu_hangs", _hangs),
        Rule(Result.UNKNOWN, "monitor_silent", lambda signs, _: (signs.monitor_silent or 0.0) > 0),
        Rule(Result.UNKNOWN, "monitor_unknown", lambda signs, _: signs.monitor_silent is None),
        Rule(Result.PASSED, "monitor_answers", _always),
    ),
    CheckName.INSTANCE: (
        _UNKNOWN_STATE,
        Rule(Result.FAILED, "panicked", lambda s, _: s.state == _CRASHED or s.reason == "crashed"),
        Rule(Result.FAILED, "watchdog", lambda s, _: not _runs(s) and s.reason == "watchdog"),
        _NOT_RUNNING,
        Rule(Result.UNKNOWN, "monitor_silent", lambda signs, _: (signs.monitor_silent or 0.0) > 0),
        Rule(Result.FAILED, "agent_lost", lambda signs, _: _lasts(signs.agent_lost, PATIENCE_SECONDS)),
        Rule(
            Result.FAILED,
            "silent",
            lambda s, silent: _is_dead(s, silent) and _lasts(s.counters.vcpus_still, silent),
        ),
        Rule(
            Result.FAILED,
            "loops",
            lambda signs, silent: _is_dead(signs, silent) and signs.counters.vcpus_busy >= BUSY_VCPUS,
        ),
        Rule(Result.PASSED, "agent_connected", lambda signs, _: signs.agent_lost == 0.0),
        Rule(
            Result.PASSED,
            "balloon_answers",
            lambda signs, _: signs.balloon_age is not None and not signs.balloon_overdue,
        ),
        Rule(Result.PASSED, "devices_move", lambda signs, _: signs.counters.devices_moved),
        Rule(Result.UNKNOWN, "no_sign", _always),
    ),
}


def judge(check: CheckName, signs: Signs, silent_seconds: float) -> Rule:
    """Return the first rule of the check that applies: the last one always does."""
    for rule in RULES[check]:
        if rule.applies(signs, silent_seconds):
            return rule
    raise AssertionError(f"no rule of the check {check} applies")


class Checks:
    """Makes the series of the checks and of the time available. `watch` and `availability` outlive it.

    A guest counts as silent after `silent_seconds`.
    """

    def __init__(
        self,
        watch: Watch | None = None,
        availability: Availability | None = None,
        *,
        silent_seconds: float = 600.0,
    ) -> None:
        self._watch = watch or Watch()
        self._availability = availability or Availability()
        self._silent_seconds = silent_seconds

    def samples(
        self,
        taken_at: float,
        guests: Mapping[str, Guest],
        identities: Mapping[str, Labels],
        families: Families,
    ) -> Iterable[Sample]:
        """Yield the series of all guests, from the values that are on the page so far.

        `identities` are the first labels of each guest's series. `taken_at` is the page's Unix time.
        """
        found = self._watch.look(taken_at, guests, identities, families, self._silent_seconds)
        self._availability.begin(taken_at, guests, families)
        for uuid, signs in found.items():
            system = judge(CheckName.SYSTEM, signs, self._silent_seconds)
            instance = judge(CheckName.INSTANCE, signs, self._silent_seconds)
            yield from _check(uuid, CheckName.SYSTEM, system)
            yield from _check(uuid, CheckName.INSTANCE, instance)
            yield from self._availability.samples(uuid, signs, passed=_PASSED[system.result])


def _check(uuid: str, check: CheckName, rule: Rule) -> Iterator[Sample]:
    if rule.result is not Result.UNKNOWN:
        yield Sample(liveness.CHECK, float(rule.result is Result.PASSED), (check.value,), uuid)
    if rule.result is not Result.PASSED:
        yield Sample(liveness.CHECK_INFO, 1.0, (check.value, rule.result.value, rule.reason), uuid)
