"""What the documents name exists: files, headings, and commands with their flags."""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostcollector.app.cli.parser import make_parser
from hostcollector.gateway.cli import make_parser as make_gateway_parser
from tests.places import REPOSITORY

FOLDERS = ("", "docs", "dashboards/runbook", "ansible", "hostcollector")
PAST = "CHANGELOG.md"
DOCUMENTS = sorted(
    path for folder in FOLDERS for path in (REPOSITORY / folder).glob("*.md") if path.name != PAST
)
ALERTS = sorted((REPOSITORY / "dashboards/alerts").glob("*.py"))
PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "hostcollector": make_parser,
    "hostcollector-gateway": make_gateway_parser,
}

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)\"""")
_QUOTED = re.compile(r"`(hostcollector(?:-gateway)? [^`]+)`")
_PROMPTED = re.compile(r"^[#$] (hostcollector(?:-gateway)? .*)$", re.MULTILINE)
_OWN = "diagnose|query|top|collect|usage|check-config"
_READS_SECRETS = re.compile(rf"^\$ (?:hostcollector (?:{_OWN})|hostcollector-gateway (?!--))", re.MULTILINE)

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY))
)


def _headings(document: Path) -> set[str]:
    """Return the anchors that a forge makes of the headings."""
    lines = _FENCED.sub("", document.read_text()).splitlines()
    titles = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@each_document
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    """Also pictures. Addresses of other sites are not looked at."""
    wrong = []
    for groups in _LINK.findall(_FENCED.sub("", document.read_text())):
        link = next(filter(None, groups))
        path, _, heading = link.partition("#")
        target = document.parent / path if path else document
        if link.startswith(("https:", "http:", "mailto:")):
            continue
        if not target.exists() or (heading and heading not in _headings(target)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("text", [*DOCUMENTS, *ALERTS], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_commands_have_the_flags_that_they_are_shown_with(
    text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command in a console, or quoted in a sentence, is one that the program takes."""
    refused = [command for command in _commands(text.read_text()) if not _taken(command, capsys)]
    assert refused == []


@each_document
def test_commands_that_read_what_is_roots_have_its_prompt(document: Path) -> None:
    """The daemon's socket, the configuration and its secrets are not for every account."""
    assert _READS_SECRETS.findall(document.read_text()) == []


def _taken(command: str, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the program knows all words; a sentence may name a command by its first ones."""
    program, *words = shlex.split(command, comments=True)
    try:
        PARSERS[program]().parse_args(words)
    except SystemExit as end:
        return end.code == 0 or "are required" in capsys.readouterr().err  # 0: --help, --version
    return True


def _commands(text: str) -> Iterator[str]:
    """Yield the commands of a text as a shell would get them; those cut short by dots are left out."""
    joined = text.replace("\\\n", " ")
    for command in (*_PROMPTED.findall(joined), *_QUOTED.findall(" ".join(joined.split()))):
        plain = re.split(r" [|>] ?|;", command)[0].replace("SELECTOR", "libvirt_up")
        if "..." not in plain:
            yield plain
