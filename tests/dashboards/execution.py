"""Runs what boards ask on a Prometheus: `answered(url)` for every panel, annotation and variable."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.dashboards.boards import Question, boards, filled_in, panel_questions, side_questions
from tests.dashboards.choice import chosen


@dataclass(frozen=True, slots=True)
class Answer:
    """How many series a query gave, or why Prometheus refused it."""

    question: Question
    series: int
    error: str = ""


def answered(
    url: str, *, interval: str = "5m", span: int = 3600, at: float | None = None
) -> Iterator[Answer]:
    """Yield what a Prometheus says, now or at a time, to all that the boards ask, with everything chosen.

    `interval` is Grafana's rate interval: at least four scrapes. `span` is the time range in seconds.
    """
    for question, expr in asked(url, interval=interval, span=span, at=at):
        try:
            yield Answer(question, len(result(url, expr, at)))
        except ValueError as error:
            yield Answer(question, 0, str(error))


def asked(url: str, *, interval: str, span: int, at: float | None = None) -> Iterator[tuple[Question, str]]:
    """Yield everything that the boards ask, with all values of their variables on this Prometheus."""

    def filled(expr: str, values: Mapping[str, str]) -> str:
        return filled_in(expr, values, interval=interval, span=span)

    for name, board in boards().items():
        values = chosen(board, lambda expr: result(url, expr, at), filled, everything=True)
        for question in (*panel_questions(name, board), *side_questions(name, board)):
            yield question, filled(question.expr, values)


def result(url: str, expr: str, at: float | None = None) -> list[dict[str, Any]]:
    """Return the series of an instant query, now or at a time. Raises `ValueError` on a refusal."""
    parameters = urllib.parse.urlencode({"query": expr} | ({"time": at} if at else {}))
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{parameters}", timeout=120) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode(errors="replace")) from error
    return found


def rules(url: str) -> Iterator[dict[str, Any]]:
    """Yield the rules that a Prometheus has loaded, each with `health` and `lastError`."""
    with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=120) as answer:
        for group in json.load(answer)["data"]["groups"]:
            yield from group["rules"]
