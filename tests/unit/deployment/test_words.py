"""The project's texts name their subjects: no word that makes a program part or a state a riddle."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OUT = {
    "whoever": "name the client, the account or the team",
    "somebody": "name the client, the account or the operator",
    "nobody": "say unassigned, no client, no guest",
    "anybody": "name the client or the account",
    "everybody": "say every client, every account",
    "told": "say reported, read, known",
    "tells": "say reports, shows, names",
    "telling": "say reporting, showing",
    "tell of": "say report",
    "stand": "say is, are, apply",
    "stands": "say is, applies, stays",
    "stood": "say was, were",
    "mend": "say fix",
    "mends": "say fixes",
    "mended": "say fixed",
    "asking": "say querying, requesting, polling",
    "cure": "say fix, or what to do",
    "cures": "say fixes",
    "cured": "say fixed",
    "in order": "say OK, or sorted, or in sequence",
}
"""What is out, and what to say instead."""

ALLOWED = re.compile(r"\bstand[- ]ins?\b", re.IGNORECASE)
"""A test's replacement for a real thing has this name in the field."""

_WORD = re.compile(rf"\b(?:{'|'.join(re.escape(word) for word in OUT)})\b", re.IGNORECASE)
_EXEMPT = ("CHANGELOG.md", "tests/unit/deployment/test_words.py", "lock/", "LICENSE")
"""The changelog quotes the past; this file is the list; the others are not the project's own words."""


def _texts() -> list[Path]:
    """Return every tracked file that is text."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    paths = [ROOT / name for name in names if name and not name.startswith(_EXEMPT)]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:1024]]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="without git there is no list of tracked files")
def test_words_that_are_out_are_nowhere() -> None:
    """No tracked text outside the changelog has one of them."""
    hits = [
        f"{path.relative_to(ROOT)}:{number}: {word.group()}: {OUT[word.group().lower()]}"
        for path in _texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        for word in _WORD.finditer(ALLOWED.sub("", line))
    ]
    assert hits == []


@pytest.mark.parametrize(
    "line", ["Whoever asks is told.", "the note stands there", "All is in order.", "of nobody", "the cure"]
)
def test_a_word_that_is_out_is_found(line: str) -> None:
    """In any case of its letters."""
    assert _WORD.search(line)


@pytest.mark.parametrize(
    "line", ["the standard", "restored", "a stand-in for libvirt", "asked", "recommended"]
)
def test_words_that_contain_one_are_allowed(line: str) -> None:
    """Only whole words count."""
    assert not _WORD.search(ALLOWED.sub("", line))
