"""What stands between a series' name and its number, made once for all families with the same labels.

It costs ten times what the number costs, and is the same on every page while the guest lives. A guest has
four times as many series as sets of labels.
"""

from collections.abc import Iterable, Mapping

from hostcollector.base.model import Histogram

Labels = tuple[str, ...]
Series = Mapping[Labels, float | Histogram]

_SLACK = 64


def encodable(text: str) -> str:
    r"""Return `text` with each lone surrogate written as its ``\uXXXX`` escape, so that UTF-8 can carry it.

    Names that are not UTF-8 reach Python as surrogates. The escape keeps two different names different,
    which a replacement character would not.
    """
    return text.encode(errors="backslashreplace").decode()


def escaped(text: str) -> str:
    """Return a label value as it stands between the quotes in both formats."""
    return encodable(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class LabelTexts(dict[Labels, str]):
    """The texts ``{name="value",...} `` by the label values, for one tuple of label names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self._order = sorted((name, index) for index, name in enumerate(names))

    def __missing__(self, labels: Labels) -> str:
        pairs = ",".join(self.pairs(labels))
        text = self[labels] = f"{{{pairs}}} " if pairs else " "
        return text

    def pairs(self, labels: Labels) -> list[str]:
        """Return ``name="value"`` of every label, by name in alphabetical order."""
        return [f'{name}="{escaped(labels[index])}"' for name, index in self._order]

    def before(self, name: str) -> int:
        """Return how many of the labels stand in front of one that is called `name`."""
        return sum(own < name for own, _ in self._order)

    def keep(self, families: Iterable[Series]) -> None:
        """Drop what none of `families`, which share the texts, has any more, once that is most of it."""
        families = list(families)
        if len(self) > 2 * max(map(len, families), default=0) + _SLACK:
            for labels in self.keys() - set().union(*families):
                del self[labels]
