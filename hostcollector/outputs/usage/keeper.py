"""Keeps the books on disk, so that a crash at any point loses no line and writes none twice.

The account of open lives is replaced first, with the lines that it has just made; then the lines are
appended to the ledger. After a crash in between, the lines that the ledger lacks are in the account. Until
both are written everything stays in memory, also while the disk is full.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hostcollector.base.errors import StateError, StateUnreachableError
from hostcollector.base.log import Transitions
from hostcollector.base.state_file import StateFile
from hostcollector.outputs.usage import document
from hostcollector.outputs.usage.books import Account, Books
from hostcollector.outputs.usage.ledger import FOLDER, Ledger
from hostcollector.outputs.usage.reading import HOUR, SECOND, Moment

logger = logging.getLogger("hostcollector")

FILE_NAME = f"{FOLDER}/open/lives.json"
"""In a folder of its own: a folder has one writer at a time."""


class Keeper:
    """Opens the books of the state `directory`, and saves them. In use by one thread.

    `clock` looks at both clocks, `boot` names the host's boot.
    """

    def __init__(
        self, directory: Path, clock: Callable[[], Moment], boot: str, transitions: Transitions | None = None
    ) -> None:
        self.ledger = Ledger(directory)
        self._state = StateFile(directory, FILE_NAME)
        self._clock, self._boot = clock, boot
        self._transitions = transitions or Transitions(logger)
        self.books: Books | None = None
        self.errors = 0
        """How often the books could not be opened or saved."""
        self.problem = ""
        """Why that failed the last time; empty if it did not."""
        self.unsaved = False

    def open(self) -> Books | None:
        """Return the books; None, with the cause in `problem`, while the disk does not give them."""
        if self.books is None:
            try:
                self.books = self._opened()
            except StateError as error:
                self._failed(error)
        return self.books

    def save(self) -> bool:
        """Write the account, then the new lines. Return whether everything is on disk."""
        if self.books is None:
            return False
        account = self.books.account
        try:
            self._state.replace(document.write(account))
            self.ledger.append(account.lines, self._clock().wall / SECOND)
        except StateError as error:
            self._failed(error)
            return False
        account.lines.clear()
        self.problem, self.unsaved = "", False
        self._transitions.succeeded("usage records")
        return True

    def _failed(self, error: StateError) -> None:
        self.errors += 1
        self.problem, self.unsaved = str(error), True
        self._transitions.failed("usage records", f"{error}; the records wait in memory")

    def _opened(self) -> Books:
        moment = self._clock()
        self.ledger.open()
        account = self._account(moment)
        self.ledger.name = account.ledger
        return Books(account, moment, self._boot)

    def _account(self, moment: Moment) -> Account:
        """Return the account from disk, or a new one. A damaged one is set aside: its lives begin anew."""
        account, ledger = None, self.ledger
        try:
            found = self._state.read()
            account = None if found is None else document.read(found.content)
        except StateUnreachableError:
            raise
        except StateError as error:
            logger.error("%s: the counters of open lives are read anew", error)
        except ValueError as error:
            logger.error("%s: the counters of open lives are read anew", self._state.damaged(error))
        if account is None or account.sequence < ledger.last:
            hour = ledger.open_hour()
            account = Account.opened(ledger.name, self._boot, moment, ledger.last)
            account.hour = min(account.hour, account.hour if hour is None else hour * SECOND // HOUR * HOUR)
        elif ledger.last and account.ledger != ledger.name:
            account = _of_another_ledger(account, ledger)
        account.lines = [line for line in account.lines if line.sequence > ledger.last]
        return account


def _of_another_ledger(account: Account, ledger: Ledger) -> Account:
    """Return the account with the ledger that is there; its waiting lines get the numbers that follow."""
    numbers = range(ledger.last + 1, ledger.last + 1 + len(account.lines))
    lines = [
        replace(line, ledger=ledger.name, sequence=number)
        for line, number in zip(account.lines, numbers, strict=True)
    ]
    return replace(account, ledger=ledger.name, sequence=numbers.stop - 1, lines=lines)
