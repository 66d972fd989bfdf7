"""Log lines: one per event, in a form that machines read, and only when something changes."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base import log
from hostcollector.base.log import LogFormat, LogLevel


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level


def configured(form: LogFormat = LogFormat.LOGFMT, level: LogLevel = LogLevel.INFO) -> io.StringIO:
    """Send the log to a text buffer and return it."""
    stream = io.StringIO()
    log.configure(level, form, stream, {})
    return stream


def without_time(line: str) -> str:
    """Return a logfmt line without its timestamp."""
    stamp, _, rest = line.partition(" ")
    assert stamp.startswith("ts=2")
    assert stamp.endswith("Z")
    return rest


def test_logfmt_line_has_level_message_and_context() -> None:
    """A line says when, how bad, what, and the context that was given as `extra`."""
    stream = configured()
    logging.getLogger("x").warning("guest %s is stuck", "web", extra={"domain": "web 1", "seconds": 3.5})
    line = without_time(stream.getvalue())
    assert line == 'level=warn msg="guest web is stuck" domain="web 1" seconds=3.5\n'


def test_json_line_is_an_object_with_the_same_fields() -> None:
    """The JSON format has the fields of logfmt as one object per line."""
    stream = configured(LogFormat.JSON)
    logging.getLogger("x").error("no", extra={"domain": 'a"b\n'})
    fields = json.loads(stream.getvalue())
    assert fields.pop("ts").endswith("Z")
    assert fields == {"level": "error", "msg": "no", "domain": 'a"b\n'}


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warn", "error", "error"]),
        (LogLevel.INFO, ["info", "warn", "error", "error"]),
        (LogLevel.WARN, ["warn", "error", "error"]),
        (LogLevel.ERROR, ["error", "error"]),
    ],
)
def test_levels_are_the_four_of_the_configuration(level: LogLevel, shown: list[str]) -> None:
    """A level shows itself and everything worse; what Python calls critical is an error here."""
    stream = configured(LogFormat.JSON, level)
    for number in (10, 20, 30, 40, 50):
        logging.getLogger("x").log(number, "m")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == shown


@pytest.mark.parametrize("form", list(LogFormat))
@given(message=st.text(), value=st.text())
def test_hostile_text_stays_one_printable_line(form: LogFormat, message: str, value: str) -> None:
    """Whatever a guest is called, a record is one line without control characters."""
    stream = configured(form)
    logging.getLogger("x").info("%s", message, extra={"domain": value})
    line = stream.getvalue().removesuffix("\n")
    assert line.isprintable()
    if form is LogFormat.JSON:
        assert json.loads(line)["domain"] == value


def test_an_exception_is_part_of_its_line() -> None:
    """A traceback does not break the line."""
    stream = configured()
    try:
        int("x")
    except ValueError:
        logging.getLogger("x").exception("failed")
    line = without_time(stream.getvalue())
    assert line.startswith('level=error msg=failed error="ValueError(')
    assert ' traceback="Traceback (most recent call last):\\n' in line
    assert line.count("\n") == 1


def test_context_cannot_replace_the_level() -> None:
    """Context with the name of a line's own field is left off."""
    stream = configured()
    logging.getLogger("x").info("m", extra={"level": "error"})
    assert without_time(stream.getvalue()) == "level=info msg=m\n"


def test_the_journal_gets_a_priority_and_no_time(tmp_path: Path) -> None:
    """Where standard error is the journal's stream, lines have its priority prefix and no timestamp."""
    with (tmp_path / "stderr").open("w+") as stream:
        status = os.fstat(stream.fileno())
        log.configure(
            LogLevel.INFO, LogFormat.LOGFMT, stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        )
        logging.getLogger("x").warning("m")
        stream.seek(0)
        assert stream.read() == "<4>level=warn msg=m\n"


def test_a_journal_elsewhere_does_not_count(tmp_path: Path) -> None:
    """JOURNAL_STREAM of another stream, inherited for instance, leaves the timestamps on."""
    with (tmp_path / "stderr").open("w") as stream:
        assert not log.is_journal(stream, {"JOURNAL_STREAM": "1:1"})
        assert not log.is_journal(stream, {})
    assert not log.is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


def test_configuring_again_replaces_the_first_configuration() -> None:
    """After a reload lines go out once, in the new form."""
    first = configured()
    second = configured(LogFormat.JSON)
    logging.getLogger("x").info("m")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_only_changes_of_state_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged when it begins and when it is over, with its length, and not in between."""
    caplog.set_level(logging.INFO)
    now = [100.0]
    transitions = log.Transitions(logging.getLogger("x"), clock=lambda: now[0])
    transitions.succeeded("source procfs")
    transitions.failed("source procfs", "no /proc", reason="unavailable")
    now[0] += 100.0
    transitions.failed("source procfs", "still no /proc")
    transitions.failed("source netlink", "refused")
    now[0] += 100.0
    transitions.succeeded("source procfs")
    transitions.succeeded("source procfs")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "source procfs failed: no /proc"),
        ("WARNING", "source netlink failed: refused"),
        ("INFO", "source procfs recovered after 3 m 20 s"),
    ]
    assert vars(caplog.records[0])["reason"] == "unavailable"


def test_a_forgotten_subject_never_recovers(caplog: pytest.LogCaptureFixture) -> None:
    """What does not exist any more is not reported as recovered, and its next failure is news."""
    transitions = log.Transitions(logging.getLogger("x"))
    transitions.failed("guest web", "hung")
    transitions.forget("guest web")
    transitions.succeeded("guest web")
    transitions.failed("guest web", "hung")
    assert [record.getMessage() for record in caplog.records] == ["guest web failed: hung"] * 2
