"""What Grafana asks when a board is opened: its variables first, then its panels at their default values."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.simulator.prometheus import SCRAPE_SECONDS, Answer, Server
from tests.dashboards.boards import STEPS, asked_by, boards
from tests.dashboards.choice import offered, opened_with, text

Json = dict[str, Any]
RANGE_SECONDS = 3600
"""What the boards show when they are opened."""
_LONG_SECONDS, _MORE = 0.5, 2
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::\w+)?\}|\$([A-Za-z_]\w*)")
"""A variable's place. `$1` is none: it is a group of `label_replace`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one query of a board cost: at the present time, or over a window."""

    board: str
    panel: str
    target: str
    expr: str
    """The query as it was sent."""
    instant: bool
    answer: Answer


class Visitor:
    """Opens boards like a browser does, but asks for the last `window` seconds of the range.

    A fresh Prometheus has no hour of samples; what an hour costs grows with its steps.
    """

    def __init__(self, server: Server, window: int) -> None:
        self._server, self._window = server, window

    def visits(self) -> Iterator[Cost]:
        """Open every board, and yield what its queries cost."""
        for name, board in boards().items():
            values: dict[str, str] = {
                "__rate_interval": f"{4 * SCRAPE_SECONDS}s",
                "__interval": f"{RANGE_SECONDS // STEPS}s",
                "__interval_ms": str(RANGE_SECONDS // STEPS * 1000),
                "__range": f"{RANGE_SECONDS}s",
                "__range_s": str(RANGE_SECONDS),
            }
            for variable in board["templating"]["list"]:
                yield from self._variable(name, variable, values)
            for title, panel in _panels(board):
                for target in panel.get("targets", ()):
                    expr = filled(target["expr"], values)
                    instant = bool(target.get("instant"))
                    answer = self.instant(expr) if instant else self.over_window(expr)
                    yield Cost(name, title, target["refId"], expr, instant, answer)
            for annotation in board["annotations"]["list"]:
                if annotation.get("enable") and "expr" in annotation:
                    expr = filled(annotation["expr"], values)
                    title = f"annotation: {annotation['name']}"
                    yield Cost(name, title, "A", expr, False, self.over_window(expr))

    def instant(self, expr: str) -> Answer:
        """Ask for the present value."""
        return self._asked("query", query=expr, stats="all")

    def over_window(self, expr: str) -> Answer:
        """Ask for the values of the window, a scrape interval apart."""
        now = time.time()
        times = {"start": f"{now - self._window:.3f}", "end": f"{now:.3f}", "step": str(SCRAPE_SECONDS)}
        return self._asked("query_range", query=expr, stats="all", **times)

    def _asked(self, path: str, **parameters: str) -> Answer:
        """Return the quickest of some answers to a query that took long: the machine does other work too."""
        first = self._once(path, **parameters)
        more = [self._once(path, **parameters) for _ in range(_MORE if first.seconds > _LONG_SECONDS else 0)]
        return min((first, *more), key=lambda answer: answer.seconds)

    def _once(self, path: str, **parameters: str) -> Answer:
        began = time.perf_counter()
        body = self._server.get(path, **parameters)
        seconds = time.perf_counter() - began
        # Answers have up to hundreds of megabytes: what is wanted of them is at the end.
        _, found, statistics = body.rpartition(b'"stats":')
        if not found:
            return Answer(seconds, 0, error=body[-300:].decode(errors="replace"))
        samples = json.JSONDecoder().raw_decode(statistics.decode())[0]["samples"]
        return Answer(
            seconds, body.count(b'"metric":'), samples["totalQueryableSamples"], samples["peakSamples"]
        )

    def _variable(self, board: str, variable: Json, values: dict[str, str]) -> Iterator[Cost]:
        """Ask for a variable's options, and keep the value that the board opens with."""
        name = variable["name"]
        if variable["type"] == "datasource":
            return
        if variable["type"] != "query":
            values[name] = str((variable.get("current") or {}).get("value") or variable.get("query") or "")
            return
        expr = filled(asked_by(variable), values)
        options, answer = self._options(variable, values)
        values[name] = opened_with(variable, options)
        yield Cost(board, f"variable: {name}", "A", expr, True, answer)

    def _options(self, variable: Json, values: Mapping[str, str]) -> tuple[list[str], Answer]:
        """Return a variable's options in their order, and what the request cost."""
        definition = variable["definition"]
        if definition.startswith("query_result("):
            expr = filled(asked_by(variable), values)
            answer = self.instant(expr)
            found = json.loads(self._server.get("query", query=expr))["data"]["result"]
            texts = [text(series) for series in found]
        else:
            series, _, label = definition.removeprefix("label_values(").removesuffix(")").rpartition(",")
            now = time.time()
            times = {"start": f"{now - RANGE_SECONDS:.3f}", "end": f"{now:.3f}"}
            match = {"match[]": filled(series, values)} if series else {}
            began = time.perf_counter()
            body = self._server.get(f"label/{label.strip()}/values", **match, **times)
            texts = json.loads(body).get("data", [])
            answer = Answer(time.perf_counter() - began, len(texts))
        return offered(variable, texts), answer


def _panels(board: Json) -> Iterator[tuple[str, Json]]:
    """Yield the panels with their titles after that of their row, those of folded rows too."""
    row = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            row = panel["title"].partition(" (")[0]
            yield from (
                (f"{row}: {folded['title']} (folded)", folded) for folded in panel.get("panels") or ()
            )
        else:
            yield f"{row}: {panel['title']}", panel


def filled(expr: str, values: Mapping[str, str]) -> str:
    """Return a query with the values of its variables. Raises `KeyError` for one that the board lacks."""
    return _VARIABLE.sub(lambda place: values[place[1] or place[2]], expr)
