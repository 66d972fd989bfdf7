"""Runs what boards ask on a Prometheus: `answered(url)` for every panel, annotation and variable."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.dashboards.boards import Question, filled_in, questions


@dataclass(frozen=True, slots=True)
class Answer:
    """How many series a query gave, or why Prometheus refused it."""

    question: Question
    series: int
    error: str = ""


def answered(url: str, *, interval: str = "5m", span: str = "1h") -> Iterator[Answer]:
    """Yield what a Prometheus says now to everything that the boards ask, with all of it chosen.

    `interval` is Grafana's rate interval: at least four scrapes. `span` is the time range.
    """
    for question in questions():
        expr = filled_in(question.expr, interval=interval, span=span)
        try:
            yield Answer(question, len(result(url, expr)))
        except ValueError as error:
            yield Answer(question, 0, str(error))


def result(url: str, expr: str) -> list[dict[str, Any]]:
    """Return the series of an instant query. Raises `ValueError` when Prometheus refuses it."""
    parameters = urllib.parse.urlencode({"query": expr})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{parameters}", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode(errors="replace")) from error
    return found


def rules(url: str) -> Iterator[dict[str, Any]]:
    """Yield the rules that a Prometheus has loaded, each with `health` and `lastError`."""
    with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=30) as answer:
        for group in json.load(answer)["data"]["groups"]:
            yield from group["rules"]
