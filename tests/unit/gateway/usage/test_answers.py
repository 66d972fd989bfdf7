"""What a host answers is read strictly: lines in sequence behind the cursor, each once."""

import pytest

from hostcollector.base.errors import SourceMalformedError
from hostcollector.gateway.usage import answers
from hostcollector.gateway.usage.answers import Place, Refused, RefusedLine, read_answer
from tests.unit.gateway.usage.records import content, ledger_name, usage

AFTER = Place(ledger=ledger_name(1), cursor=3)


def read(*sequences: int) -> list[int]:
    """Return the numbers of the lines that are taken of an answer with these."""
    lines = [usage(number, vm=number) for number in sequences]
    return [line.sequence for line in read_answer("hv1:10177", AFTER, content(lines)).lines]


def test_lines_behind_the_cursor_are_taken_in_sequence() -> None:
    """Numbers may have holes: the host's old files are gone."""
    assert read(4, 5, 9) == [4, 5, 9]


@pytest.mark.parametrize("sequences", [(5, 4), (4, 4), (3, 4), (1,), (4, 9, 8)])
def test_an_answer_out_of_sequence_is_refused_as_a_whole(sequences: tuple[int, ...]) -> None:
    """A line that comes again or goes back would move the cursor over lines that were not read."""
    with pytest.raises(SourceMalformedError, match="not in sequence"):
        read(*sequences)


def test_an_answer_of_more_lines_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host does not decide how much the intake reads."""
    monkeypatch.setattr(answers, "MOST_LINES", 2)
    assert read(4, 5) == [4, 5]
    with pytest.raises(SourceMalformedError, match="more than 2 lines"):
        read(4, 5, 6)


@pytest.mark.parametrize(
    ("line", "last"),
    [
        (b'{"kind":"usage","sequence":4}\n', 4),
        (b'{"sequence":4,"kind":"other","more":[1]}\n', 4),
        (b'{"sequence":-1}\n', 0),
        (b'{"sequence":4.5}\n', 0),
        (b'{"sequence":true}\n', 0),
        (b'{"sequence":99999999999999999999}\n', 0),
        (b"[" * 5000 + b"\n", 0),
        (b"\xff\n", 0),
    ],
)
def test_a_faulty_line_moves_the_cursor_where_it_says_its_number(line: bytes, last: int) -> None:
    """So it does not block the lines after it for ever; it is kept aside."""
    (found,) = (answer := read_answer("hv1:10177", AFTER, line)).lines
    assert isinstance(found, RefusedLine)
    assert found.reason is Refused.MALFORMED
    assert answer.last == last


@pytest.mark.parametrize(("cursor", "first", "lost"), [(3, 4, 0), (3, 9, 5), (0, 9, 0)])
def test_lines_that_a_host_does_not_have_any_more_are_counted(cursor: int, first: int, lost: int) -> None:
    """Between the cursor and the first line; what was before a ledger was read at all is not lost."""
    place = Place(ledger=ledger_name(1), cursor=cursor)
    assert read_answer("hv1:10177", place, content([usage(first)])).lost == lost
    assert read_answer("hv1:10177", place, b"").lost == 0
