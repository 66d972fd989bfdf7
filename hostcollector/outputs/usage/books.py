"""The open lives of a host, and the lines that they make: pure accounting, without input and output.

Which life a reading belongs to is decided here, and when an hour is closed. Time never goes back in the
books: while the host's clock has been set back, no second is counted that was counted before.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from hostcollector.catalogue.usage import Ended, HourClosed, UsageRecord, Why
from hostcollector.outputs.usage.life import LONGEST_INTERVAL, Life, Part
from hostcollector.outputs.usage.reading import HOUR, SECOND, End, Moment, Reading

LARGEST_STEP = 1 * SECOND
"""By how much the host's clock may differ from the steady one between two looks; more is a step."""

PATIENCE = 300 * SECOND
"""How long an hour stays open for VMs that cannot be read."""

LOST_AFTER = 45 * SECOND
"""How long a VM without its QEMU waits for libvirt's event."""

MOST_HOURS = 40 * 24
"""How many hours are closed one by one after a long time without the daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One collection. `at` is when it began, in microseconds.

    `here` are the VMs that libvirt lists, None before the first full listing; `gone` those of them whose QEMU
    is certainly not there.
    """

    at: int
    now: Moment
    readings: Mapping[str, Reading]
    here: Collection[str] | None = None
    gone: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Remains:
    """The counters of a life that ended, while its QEMU may still be there."""

    qemu: str
    raws: Mapping[str, Mapping[str, int]]
    old: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Account:
    """What must survive a restart. `lines` are made and not known to be in the ledger.

    `hour` is the first hour that is not closed, `latest` the last moment before the clock was set back, and
    `since` the first collection with all VMs, all in microseconds. `boot` names the host's boot.
    """

    ledger: str
    boot: str
    sequence: int = 0
    hour: int
    latest: int
    moment: Moment
    since: int | None = None
    lives: dict[str, Life] = field(default_factory=dict)
    remains: dict[str, Remains] = field(default_factory=dict)
    lines: list[UsageRecord | HourClosed] = field(default_factory=list)

    @classmethod
    def opened(cls, ledger: str, boot: str, moment: Moment, sequence: int = 0) -> "Account":
        """Return the first account of a ledger, or the one after its state was lost."""
        hour = moment.wall - moment.wall % HOUR
        return cls(ledger=ledger, boot=boot, hour=hour, latest=moment.wall, moment=moment, sequence=sequence)


@dataclass(slots=True)
class Figures:
    """What the accounts count about themselves since the start of the process."""

    records: int = 0
    hours: int = 0
    unseen_seconds: int = 0
    clock_steps: int = 0


class Books:
    """Takes rounds and events; in use by one thread. `moment` and `boot` are those of the process' start."""

    def __init__(
        self,
        account: Account,
        moment: Moment,
        boot: str,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self.account = account
        self.figures = Figures()
        self._new_id = new_id
        self._began = moment.wall
        self._arrived: dict[str, int] = {}
        self._incoming: set[str] = set()
        if account.boot != boot or moment.steady < account.moment.steady:
            for life in list(account.lives.values()):
                life.lost(moment.wall, Why.HOST_DOWN)
                self._finish(life, End(life.at, Ended.CRASH))
            account.latest = max(account.latest, account.moment.wall)
            account.boot, account.moment = boot, moment
        self._look_at_clock(moment)

    @property
    def open_hour(self) -> int:
        """The first hour that is not closed, as a Unix time in seconds."""
        return self.account.hour // SECOND

    def take(self, round_: Round) -> None:
        """Account for a collection; a late one is one more reading."""
        self._look_at_clock(round_.now)
        for vm, reading in round_.readings.items():
            self._read(vm, reading, round_.at)
        for vm, life in list(self.account.lives.items()):
            if vm not in round_.readings:
                self._missed(life, round_)
        if round_.here is not None:
            if self.account.since is None:
                self.account.since = round_.at
            for vm in self.account.remains.keys() - round_.here:
                del self.account.remains[vm]
        self._close_hours(round_)

    def take_last(self, vm: str, reading: Reading, at: Moment) -> None:
        """Take a reading that was made because the VM's life ends now."""
        life = self.account.lives.get(vm)
        if life is not None and life.qemu == reading.qemu:
            self._count(life, reading, at.wall)

    def started(self, vm: str, at: Moment, *, incoming: bool) -> None:
        """Note that a QEMU has started; an `incoming` one waits for its guest from another host."""
        self._look_at_clock(at)
        self._arrived.pop(vm, None)
        self._incoming.discard(vm)
        if incoming:
            self._incoming.add(vm)
        else:
            self._arrived[vm] = at.wall

    def resumed(self, vm: str, at: Moment) -> None:
        """Note that the VM runs: one that has come from another host, or one that did not leave after all."""
        life = self.account.lives.get(vm)
        if vm in self._incoming:
            self._incoming.discard(vm)
            self._arrived[vm] = at.wall
        elif life is not None and life.end is not None and life.end.why is Ended.MIGRATED:
            life.end = None

    def arrived_paused(self, vm: str, at: Moment) -> None:
        """Note that the VM is paused: one that has come from another host paused is here all the same."""
        if vm in self._incoming:
            self.resumed(vm, at)

    def ended(self, vm: str, at: Moment, why: Ended) -> None:
        """Note that the VM's life ends; its first sign counts. The next round has its last reading."""
        self._look_at_clock(at)
        self._arrived.pop(vm, None)
        self._incoming.discard(vm)
        life = self.account.lives.get(vm)
        if life is not None and (life.end is None or life.end.goes_on):
            life.end = End(at.wall, why)

    def restarted(self, vm: str, at: Moment) -> None:
        """Note that the VM was reset or has rebooted: its QEMU stays."""
        self._look_at_clock(at)
        life = self.account.lives.get(vm)
        if life is not None and life.end is None:
            life.end = End(at.wall, Ended.REBOOT, goes_on=True)

    def unplugged(self, vm: str, device: str) -> None:
        """Note that a device was taken away."""
        life = self.account.lives.get(vm)
        if life is not None:
            life.forget(device)

    def _read(self, vm: str, reading: Reading, at: int) -> None:
        """Account for one VM's reading: in its life, or in a new one."""
        life = self.account.lives.get(vm)
        if life is not None and reading.qemu and life.qemu not in ("", reading.qemu):
            if life.end is None:
                life.lost(reading.started or at, self._why(life))
            self._finish(life, life.end or End(life.at, Ended.RESET))
            life = None
        if life is None:
            if reading.here:
                self._begin(vm, reading, at)
            return
        life.qemu = reading.qemu or life.qemu
        end = life.end
        if end is None and not reading.here:
            end = End(max(at, life.at), Ended.MIGRATED)
        if end is not None and at >= end.at:
            self._count(life, reading, end.at) if not end.goes_on else self._divide(life, reading, at, end)
            if not end.goes_on:
                self._finish(life, end)
            return
        self._count(life, reading, at)
        if reading.tenant not in ("", life.tenant):
            self._go_on(life, reading, End(life.at, Ended.TENANT_CHANGED))

    def _count(self, life: Life, reading: Reading, at: int) -> None:
        """Account for the time until a reading."""
        at = max(at, life.at)
        grown, whole = life.take(reading), life.is_whole(reading)
        why = self._why(life) if at - life.read > LONGEST_INTERVAL else None
        self._write(life, life.advance(at, grown, why))
        life.have(reading)
        if whole:
            life.read = at

    def _divide(self, life: Life, reading: Reading, at: int, end: End) -> None:
        """Divide what was counted since the last reading between a life and the next one of the same QEMU."""
        grown, start = life.take(reading), life.at
        at, middle = max(at, start), max(end.at, start)
        first = {
            meter: amount if at == start else amount * (min(middle, at) - start) // (at - start)
            for meter, amount in grown.items()
        }
        self._write(life, life.advance(middle, first))
        life.read = life.at
        following = self._go_on(life, reading, End(middle, end.why))
        rest = {meter: amount - first[meter] for meter, amount in grown.items()}
        self._write(following, following.advance(at, rest))
        following.read = following.at

    def _begin(self, vm: str, reading: Reading, at: int) -> None:
        """Begin a life. It counts from 0 if its QEMU is younger than the account."""
        account = self.account
        remains, arrived = account.remains.pop(vm, None), self._arrived.pop(vm, None)
        self._incoming.discard(vm)
        same = remains is not None and remains.qemu == reading.qemu
        young = account.since is not None and reading.started is not None and reading.started > account.since
        from_zero = not same and (arrived is not None or young)
        begun = arrived if arrived is not None else reading.started if from_zero else at
        begun = max(min(begun or at, at), account.hour, account.latest)
        life = self._new(vm, reading, begun)
        if remains is not None and same:
            life.raws = {meter: dict(raws) for meter, raws in remains.raws.items()}
            life.old = set(remains.old)
        elif not from_zero:
            life.old = set(reading.devices()) | {name for raws in reading.counters.values() for name in raws}
            life.old.update(name for raws in reading.energy.values() for name in raws)
        life.have(reading)
        self._count(life, reading, at)

    def _go_on(self, life: Life, reading: Reading, end: End, begun: int = 0) -> Life:
        """End a life and begin the next one of the same QEMU, from the same reading; not before `begun`."""
        life.read = life.at
        self._finish(life, end)
        remains = self.account.remains.pop(life.vm)
        tenant = reading.tenant or life.tenant
        following = self._new(life.vm, replace(reading, tenant=tenant), max(begun, life.at))
        following.raws = {meter: dict(raws) for meter, raws in remains.raws.items()}
        following.old = set(remains.old)
        following.given = life.given
        following.have(reading)
        self._write(following, following.advance(following.at, dict.fromkeys(following.raws, 0)))
        return following

    def _new(self, vm: str, reading: Reading, begun: int) -> Life:
        life = Life(
            vm=vm,
            tenant=reading.tenant,
            id=self._new_id(),
            qemu=reading.qemu,
            begun=begun,
            at=begun,
            read=begun,
        )
        self.account.lives[vm] = life
        return life

    def _finish(self, life: Life, end: End) -> None:
        self._write(life, life.finish(end))
        del self.account.lives[life.vm]
        raws = {meter: dict(devices) for meter, devices in life.raws.items()}
        self.account.remains[life.vm] = Remains(life.qemu, raws, frozenset(life.old))

    def _missed(self, life: Life, round_: Round) -> None:
        """Look what has become of a VM that the round has not read."""
        unlisted = round_.here is not None and life.vm not in round_.here
        lost = life.vm in round_.gone and round_.at - life.read > LOST_AFTER
        end, gone = life.end, unlisted or lost
        if end is not None and round_.at >= end.at and (gone or not end.goes_on):
            self._finish(life, replace(end, goes_on=False))
        elif gone:
            life.lost(round_.at, self._why(life))
            self._finish(life, End(life.at, Ended.CRASH))

    def _why(self, life: Life) -> Why:
        """Return why a life was not read since its last reading."""
        return Why.COLLECTOR_DOWN if life.read < self._began else Why.UNREADABLE

    def _close_hours(self, round_: Round) -> None:
        account = self.account
        now = max(account.latest, round_.now.wall)
        waiting = (now - account.hour) // HOUR - MOST_HOURS
        if waiting > 0:
            account.hour += waiting * HOUR
        while account.hour + HOUR <= now:
            over = account.hour + HOUR
            behind = [life for life in account.lives.values() if life.at < over]
            patient = now < max(over, self._began) + PATIENCE
            unread = round_.here is None or bool(behind) or self._strangers(round_)
            if unread and patient:
                return
            for life in behind:
                self._write(life, life.advance(over, {}, self._why(life)))
            account.sequence += 1
            hour = account.hour // SECOND
            account.lines.append(HourClosed(sequence=account.sequence, ledger=account.ledger, hour=hour))
            account.hour = over
            self.figures.hours += 1

    def _strangers(self, round_: Round) -> bool:
        """Whether a VM is here of which nothing was read so far."""
        known = {*self.account.lives, *round_.readings, *round_.gone}
        return not known.issuperset(round_.here or ())

    def _look_at_clock(self, now: Moment) -> None:
        """End all lives at a step of the host's clock, at the time of the old clock."""
        account = self.account
        last = account.moment
        if now.steady < last.steady:
            return  # a look from before the last one
        step = (now.wall - last.wall) - (now.steady - last.steady)
        account.moment = now
        if abs(step) <= LARGEST_STEP:
            return
        self.figures.clock_steps += 1
        was = max(now.wall - step, account.latest)
        if step < 0:
            account.latest = was
        if account.since is not None:
            account.since += step
        for life in list(account.lives.values()):
            if life.end is not None and not life.end.goes_on:
                self._finish(life, life.end)
                continue
            at = max(was, life.at)
            self._write(life, life.advance(at, {}))
            life.lost(now.wall, Why.CLOCK_STEP)
            self._go_on(
                life, Reading(qemu=life.qemu, flavour=life.flavour), End(at, Ended.CLOCK_STEP), now.wall
            )

    def _write(self, life: Life, parts: Iterable[Part]) -> None:
        for part in parts:
            self.account.sequence += 1
            self.figures.records += 1
            self.figures.unseen_seconds += part.unseen_seconds
            self.account.lines.append(
                UsageRecord(
                    sequence=self.account.sequence,
                    ledger=self.account.ledger,
                    tenant=life.tenant,
                    vm=life.vm,
                    life=life.id,
                    flavour=life.flavour,
                    hour=part.hour,
                    running=part.running,
                    observed_seconds=part.observed_seconds,
                    unseen_seconds=part.unseen_seconds,
                    gaps=part.gaps,
                    ended=part.ended,
                    meters=part.meters,
                    gpus=part.gpus,
                )
            )
