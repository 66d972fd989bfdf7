"""Queries that come again: a dashboard sends the same texts every few seconds."""

from collections.abc import Sequence
from dataclasses import replace

from hostcollector.gateway.promql.rewriting import OF_EACH_QUERY, STEPS, Draft, Step

MOST_KEPT = 500
LONGEST_KEPT = 1024
"""Characters of a text whose result is kept."""


class Rewriting:
    """Rewrites queries in `steps`, and keeps the last results.

    A result is kept for one tenant and one text, and only if no step refused it.
    """

    def __init__(self, steps: Sequence[Step] = STEPS) -> None:
        self._steps = steps
        self._again = [step for step in steps if step in OF_EACH_QUERY]
        self._kept: dict[tuple[str, str], Draft] = {}

    def rewrite(self, draft: Draft) -> str:
        """Return the text for the store. Raises `QueryRefusedError`."""
        key = draft.tenant, draft.text
        kept = self._kept.get(key)
        if kept is not None:
            draft = replace(draft, text=kept.text, tree=kept.tree)
        for step in self._steps if kept is None else self._again:
            draft = step(draft)
        if kept is None and len(key[1]) <= LONGEST_KEPT:
            self._kept[key] = replace(draft, nodes=())
            while len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return draft.text
