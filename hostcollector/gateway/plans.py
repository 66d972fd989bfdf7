"""Plans: what a tenant may read, as the operator's file says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import yaml

from hostcollector.config.checks import Check, mapping, whole
from hostcollector.config.document import Place
from hostcollector.config.files import read_file
from hostcollector.config.reader import Section, section_reader
from hostcollector.gateway.errors import ForbiddenError

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Section):
    """What a tenant with this plan may read. `Plan()` has everything."""

    families: tuple[str, ...] = ()
    """Names of metrics of the typed API; a trailing ``*`` matches any ending; empty for all."""

    history_days: Annotated[int, whole(1, 3650)] = 35
    """How far back queries may look."""

    step_seconds: Annotated[int, whole(1, DAY)] = 60
    """The finest step of the typed API."""

    promql: bool = True
    """Whether PromQL is included. It has all families in their native step, whatever the keys above say."""

    scrape: bool = True
    """Whether the scrape endpoint is included. It has all families in their native step."""

    usage: bool = True
    """Whether the usage routes are included."""

    requests_per_minute: Annotated[int, whole(1, 1_000_000)] = 600
    """Requests in a minute, of all the tenant's tokens together."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield families beside PromQL or the scrape endpoint: six ways lead round the list there."""
        for key in ("promql", "scrape"):
            if self.families and getattr(self, key):
                yield key, "has all families: write false here, or leave out families"

    @property
    def history_seconds(self) -> int:
        """`history_days` in seconds."""
        return self.history_days * DAY

    def includes(self, family: str) -> bool:
        """Whether the typed API shows a family."""
        return not self.families or any(
            family.startswith(name[:-1]) if name.endswith("*") else family == name for name in self.families
        )


def _plan(node: yaml.Node, place: Place) -> Plan:
    return section_reader(Plan)(node, place)


PLANS = mapping(
    lambda name: "" if name.isidentifier() else "a plan's name has letters, digits and underscores",
    Check("plan", _plan),
    takes="mapping",
    empty="there is no plan",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """All plans by name. `Plans()` has one, `detailed`, with everything."""

    plans: Annotated[Mapping[str, Plan], PLANS] = field(default_factory=lambda: {"detailed": Plan()})
    """Plans by name."""

    def of(self, name: str) -> Plan:
        """Return a plan. Raises `ForbiddenError` for one that the file does not have."""
        if name not in self.plans:
            raise ForbiddenError("your plan is not set up here: ask your provider")
        return self.plans[name]

    def with_(self, key: str) -> str:
        """Return the name of the first plan that includes `promql`, `scrape` or `usage`; empty for none."""
        return next((name for name, plan in self.plans.items() if getattr(plan, key)), "")


def read_plans(path: str | None) -> Plans:
    """Return the plans of a file; the default for None. Raises as `read_file` does."""
    return Plans() if path is None else read_file(Path(path), Plans)
