"""The pages of the runbook: their sections, queries and commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.dashboards.rule_files import RUNBOOK

_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `sections` are the texts by heading, without the title."""

    name: str
    text: str
    sections: dict[str, str]

    @property
    def queries(self) -> tuple[str, ...]:
        """Each line of a block of PromQL."""
        return tuple(line for kind, line in self._lines() if kind == "promql")

    @property
    def commands(self) -> tuple[str, ...]:
        """Each command of a console, without its prompt."""
        return tuple(line[2:] for kind, line in self._lines() if kind == "console")

    def _lines(self) -> Iterator[tuple[str, str]]:
        for kind, block in _BLOCK.findall(self.text):
            for line in block.splitlines():
                yield kind, line


def pages() -> Iterator[Page]:
    """Yield every page."""
    for path in sorted(RUNBOOK.glob("*.md")):
        text = path.read_text()
        title, *parts = text.split("\n## ")
        assert title.strip() == f"# {path.stem}" or path.stem == "README"
        if path.stem != "README":
            yield Page(
                name=path.stem,
                text=text,
                sections=dict(part.split("\n", 1) for part in parts),
            )
