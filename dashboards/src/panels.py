"""Panels as values: what is asked, in which unit, and what bad looks like. No Grafana here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How a panel shows its answers."""

    GRAPH = "graph"
    NUMBER = "number"
    STATES = "states"


class Target(StrEnum):
    """The board to which a panel's links lead, as the last part of its UID."""

    HYPERVISOR = "hypervisor"
    TENANT = "tenant"
    GUEST = "guest"
    NEIGHBOURS = "neighbours"
    GPU = "gpu"
    RUNBOOK = "runbook"
    """The page of an alert; not a board."""
    NODE = "node"
    """The host in node_exporter's board."""


States = Mapping[str, tuple[str, str]]
"""A value as text, to its name and colour."""
FAULT: States = {"0": ("no", "green"), "1": ("yes", "red")}
GOOD: States = {"0": ("no", "red"), "1": ("yes", "green")}


@dataclass(frozen=True, slots=True)
class Top:
    """What an instant query at the end of the range chooses: values of a label, in the variable `$top_NAME`.

    A graph over many hypervisors selects by it, so that Prometheus reads the chosen series alone. `@ end()` would
    choose the same, but the series to choose from would be read at each step (Prometheus 2.42).
    """

    name: str
    label: str
    expr: str

    @property
    def variable(self) -> str:
        """The name of the variable."""
        return f"top_{self.name}"


@dataclass(frozen=True, slots=True)
class Input:
    """A number that the reader of a board types: the variable `$NAME`."""

    name: str
    title: str
    default: str


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL query with the places of `selectors`, and what its series are called.

    `below` draws it downwards, as the other direction of the query before it.
    """

    expr: str
    legend: str = ""
    below: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel of one shape. Values from `warn` and `bad` on are yellow and red; downwards if `low_is_bad`.

    `width` is in Grafana's 24 columns. `empty` is the text without data; `states` names values. `top` is by what the
    queries select.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    shape: Shape = Shape.GRAPH
    warn: float | None = None
    bad: float | None = None
    low_is_bad: bool = False
    stacked: bool = False
    maximum: float | None = None
    decimals: int | None = None
    width: int = 12
    height: int = 8
    empty: str = "no data"
    states: States | None = None
    leads_to: Target | None = None
    top: Top | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a label to show, or (with `expr`) what a query says for each row."""

    title: str
    label: str = ""
    expr: str = ""
    unit: str = "short"
    warn: float | None = None
    bad: float | None = None
    low_is_bad: bool = False
    leads_to: Target | tuple[Target, ...] = ()
    hidden: bool = False
    states: States | None = None
    decimals: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of what is now: rows are the distinct labels of the queries, by `columns`, sorted by one."""

    title: str
    description: str
    columns: tuple[Column, ...]
    sort: str = ""
    ascending: bool = False
    width: int = 24
    height: int = 9
    empty: str = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under one heading; `folded` ones ask nothing until they are opened."""

    title: str
    panels: tuple[Panel | Table, ...]
    folded: bool = False


def graph(title: str, description: str, *queries: Query, **about: object) -> Panel:
    """Return a graph over time."""
    return Panel(title=title, description=description, queries=queries, **about)  # type: ignore[arg-type]


def number(title: str, description: str, expr: str, **about: object) -> Panel:
    """Return one number of now, coloured by its thresholds."""
    usual: dict[str, object] = {"width": 4, "height": 4}
    return Panel(
        title=title,
        description=description,
        queries=(Query(expr),),
        shape=Shape.NUMBER,
        **usual | about,  # type: ignore[arg-type]
    )


def states(title: str, description: str, *queries: Query, **about: object) -> Panel:
    """Return bands of named states over time."""
    return Panel(
        title=title,
        description=description,
        queries=queries,
        shape=Shape.STATES,
        **about,  # type: ignore[arg-type]
    )
