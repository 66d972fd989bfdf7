"""Whatever happens on the way, the ledger has each record once, and its sums are those of the hosts."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Connection, Engine, event, insert
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from hostcollector.gateway.database import connect
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.settings import LedgerSettings
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.answers import Answer
from hostcollector.gateway.usage.ledger import Ledger
from tests.unit.gateway.usage.hosts import Fleet, Host, place
from tests.unit.gateway.usage.reading import read
from tests.unit.gateway.usage.records import START

HOSTS = st.integers(0, 2)
INTAKES = st.integers(0, 1)


class TornError(SQLAlchemyError):
    """The database is gone in the middle of a transaction."""


class LedgerMachine(RuleBasedStateMachine):
    """Two intakes on one ledger, three hosts, and everything that can go wrong between them."""

    def __init__(self) -> None:
        super().__init__()
        self.statements_left = -1
        self.periods: dict[tuple[int, int, int, int], int] = {}
        self.final_until = 0
        self.directory = Path(tempfile.mkdtemp(prefix="hostcollector-ledger-"))
        self.now = float(START)
        self.fleet = Fleet(seed=1)
        self.engines = [self._engine(), self._engine()]
        schema.metadata.create_all(self.engines[0])
        with self.engines[0].begin() as connection:
            connection.execute(insert(schema.state), {"id": 1, "position": 0, "final_until": 0})
        self.intakes = [Ledger(engine, lambda: self.now) for engine in self.engines]
        self.intakes[0].list_hosts([host.target for host in self.fleet.hosts])
        self.captured: list[Answer] = []

    def _engine(self) -> Engine:
        engine = connect(LedgerSettings(database=f"sqlite:///{self.directory}/ledger.db"))

        @event.listens_for(engine, "before_cursor_execute")
        def _count(*_: object) -> None:
            self._tear()

        @event.listens_for(engine, "commit")
        def _commit(_: Connection) -> None:
            self._tear()

        return engine

    def _tear(self) -> None:
        if self.statements_left == 0:
            self.statements_left = -1
            raise TornError("torn")
        self.statements_left -= self.statements_left > 0

    @rule(hours=st.integers(1, 3))
    def hours_end(self, hours: int) -> None:
        """Hosts write; the gateway does not look."""
        for _ in range(hours):
            self.fleet.end_hour()
            self.now += SECONDS_PER_HOUR

    @rule(intake=INTAKES, number=HOSTS, limit=st.integers(1, 6))
    def pull(self, intake: int, number: int, limit: int) -> None:
        """One intake reads a part of what a host has, from where the ledger says."""
        host = self.fleet.hosts[number]
        where = self.intakes[intake].place_of_ledger(place(host, 0).ledger)
        answer = host.answer(where, limit)
        if answer is not None:
            self.captured.append(answer)
            self.intakes[intake].take(answer)

    @rule(intake=INTAKES, number=HOSTS, cursor=st.integers(0, 20), limit=st.integers(1, 6))
    def pull_again(self, intake: int, number: int, cursor: int, limit: int) -> None:
        """Take an answer from an older cursor."""
        host = self.fleet.hosts[number]
        known = self.intakes[intake].place_of_ledger(place(host, 0).ledger).cursor
        answer = host.answer(place(host, min(cursor, known)), limit)
        if answer is not None:
            self.intakes[intake].take(answer)

    @rule(intake=INTAKES, chosen=st.integers(0, 10_000))
    def replay(self, intake: int, chosen: int) -> None:
        """Take an answer of any time before once more, in any order."""
        if self.captured:
            answer = self.captured[chosen % len(self.captured)]
            if self._is_present(answer):
                self.intakes[intake].take(answer)

    @rule(intake=INTAKES, number=HOSTS, statements=st.integers(0, 12))
    def pull_torn(self, intake: int, number: int, statements: int) -> None:
        """Lose the database in the middle of a transaction, or at its commit."""
        host = self.fleet.hosts[number]
        where = self.intakes[intake].place_of_ledger(place(host, 0).ledger)
        answer = host.answer(where, 5)
        if answer is None:
            return
        self.statements_left = statements
        with suppress(LedgerError):
            self.intakes[intake].take(answer)
        self.statements_left = -1

    @rule(intake=INTAKES)
    def finish(self, intake: int) -> None:
        """Hours become final."""
        self.intakes[intake].finish_hours(6)

    @rule(number=HOSTS)
    def reinstall(self, number: int) -> None:
        """Install a host again after all it had was read: the rest would be lost with its disk."""
        self._read_all(self.fleet.hosts[number])
        self.fleet.reinstall(number)

    @invariant()
    def nothing_is_there_twice(self) -> None:
        """Give positions once, make hours final in sequence, count what comes later when it comes."""
        kept = read(self.engines[0])
        assert len(set(kept.positions)) == len(kept.positions)
        assert kept.final_hours == sorted(set(kept.final_hours))
        now = int(self.now) // SECONDS_PER_HOUR
        for record, period in kept.periods.items():
            hour = record[1]
            late = now if hour < self.final_until else hour
            assert period == self.periods.get(record, late)
        self.periods, self.final_until = kept.periods, kept.final_until

    def teardown(self) -> None:
        """Read what is left: the ledger has what the hosts have written."""
        try:
            for host in self.fleet.hosts:
                self._read_all(host)
            kept = read(self.engines[1])
            assert len(kept.periods) == len(self.fleet.written)
            assert kept.sums == self.fleet.sums()
            assert +kept.seconds == +self.fleet.seconds()
        finally:
            for engine in self.engines:
                engine.dispose()
            shutil.rmtree(self.directory)

    def _read_all(self, host: Host) -> None:
        intake, name = self.intakes[0], place(host, 0).ledger
        while (answer := host.answer(intake.place_of_ledger(name), 100)) and answer.lines:
            intake.take(answer)

    def _is_present(self, answer: Answer) -> bool:
        """Whether the answer is of its host's present ledger: a former one cannot answer any more."""
        present = {place(host, 0).ledger for host in self.fleet.hosts}
        return answer.ledger in present


LedgerMachine.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLedger = LedgerMachine.TestCase
TestLedger.pytestmark = [pytest.mark.timeout(300)]  # type: ignore[attr-defined]
