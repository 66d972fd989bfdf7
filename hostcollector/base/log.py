"""Log lines on standard error as logfmt or JSON; failures are logged when they begin and end.

Context travels as `extra`: ``logger.info("guest started", extra={"domain": name})``.
"""

import json
import logging
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

from hostcollector.base.wording import duration, one_line


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line is written."""

    LOGFMT = "logfmt"
    JSON = "json"


_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}
_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn"}
# Levels of syslog(3): the journal takes a leading <N> as the line's priority.
_PRIORITIES = {"debug": 7, "info": 6, "warn": 4, "error": 3}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _LineFormatter(logging.Formatter, ABC):
    """The fields of a line and their order, for both formats."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        fields: dict[str, str] = {}
        for name, value in self._fields(record):
            fields.setdefault(name, value)
        prefix = f"<{_PRIORITIES[fields['level']]}>" if self._journal else ""
        return prefix + self.line(fields)

    @abstractmethod
    def line(self, fields: Mapping[str, str]) -> str:
        """Return the fields as one line without a control character."""

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        if not self._journal:
            moment = datetime.fromtimestamp(record.created, UTC)
            yield "ts", moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        yield "level", _NAMES.get(record.levelno, "error")
        yield "msg", record.getMessage()
        for name, value in vars(record).items():
            if name not in _STANDARD:
                yield name, str(value)
        if record.exc_info and record.exc_info[1] is not None:
            yield "error", repr(record.exc_info[1])
            yield "traceback", self.formatException(record.exc_info)


class Logfmt(_LineFormatter):
    """``level=warn msg="source netlink failed" reason=denied``."""

    def line(self, fields: Mapping[str, str]) -> str:
        """Return ``key=value`` pairs, values quoted where they need it."""
        return " ".join(f"{_key(key)}={_value(value)}" for key, value in fields.items())


class Json(_LineFormatter):
    """One JSON object per line, in ASCII."""

    def line(self, fields: Mapping[str, str]) -> str:
        """Return the fields as a JSON object of strings."""
        return json.dumps(fields).replace("\x7f", "\\u007f")


def configure(
    level: LogLevel,
    form: LogFormat,
    stream: TextIO | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Send log lines of at least `level` to `stream` (standard error) in that form; may be called again."""
    stream = stream or sys.stderr
    journal = is_journal(stream, environment)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json(journal=journal) if form is LogFormat.JSON else Logfmt(journal=journal))
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler.formatter, _LineFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS[level])


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` goes to the systemd journal, which has its own timestamps (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Transitions:
    """Logs a failure when it begins and when it ends, and nothing in between.

    May be called from several threads. `clock` is monotonic, in seconds.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._failed_since: dict[str, float] = {}

    def failed(self, subject: str, cause: str, **context: object) -> None:
        """Note that `subject` ("source procfs") fails; logged if it did not before."""
        with self._lock:
            is_new = subject not in self._failed_since
            self._failed_since.setdefault(subject, self._clock())
        level = logging.WARNING if is_new else logging.DEBUG
        self._logger.log(level, "%s failed: %s", subject, cause, extra=context)

    def succeeded(self, subject: str, **context: object) -> None:
        """Note that `subject` works; logged if it failed before."""
        with self._lock:
            since = self._failed_since.pop(subject, None)
        if since is not None:
            spell = duration(self._clock() - since)
            self._logger.info("%s recovered after %s", subject, spell, extra=context)

    def is_failing(self, subject: str) -> bool:
        """Whether `subject` fails."""
        return subject in self._failed_since

    def forget(self, subject: str) -> None:
        """Forget a `subject` that no longer exists."""
        with self._lock:
            self._failed_since.pop(subject, None)


def _key(name: str) -> str:
    return "".join(character if character.isascii() and character.isalnum() else "_" for character in name)


def _value(text: str) -> str:
    plain = text and text.isprintable() and not any(character in text for character in ' ="\\')
    if plain:
        return text
    return '"' + one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
