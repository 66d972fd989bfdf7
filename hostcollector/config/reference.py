"""Every key of a settings class with its type, default, range and meaning, for CONFIG.md and `config`.

The meaning is the docstring under the field, which is read from the source of the class.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Any

from hostcollector.config.reader import fields_of

_BAR = "\\|"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the configuration; `range` and `default` are empty where there is none."""

    key: str
    type: str
    default: str
    range: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Part:
    """A section with its keys; `title` is its name and `text` its sentence."""

    title: str
    text: str
    keys: Sequence[Key]


def parts(settings: type, extra: Mapping[str, Sequence[Key]] | None = None) -> Iterator[Part]:
    """Yield the sections of a settings class; `extra` has the keys of sections with free keys."""
    meanings = _meanings(settings)
    for name, field in fields_of(settings).items():
        if field.settings is None:
            meaning = meanings.get(name, "")
            own = [Key(name, field.check.takes, "", field.check.allowed, meaning)]
            yield Part(name, meaning, (extra or {}).get(name) or own)
        else:
            text = _one_line(inspect.getdoc(field.settings) or "").partition(": ")[2]
            yield Part(name, f"{text[:1].upper()}{text[1:]}", list(keys(field.settings, name)))


def plain(found: Iterable[Part]) -> Iterator[str]:
    """Yield the lines of a list for a terminal."""
    for part in found:
        yield f"{part.title}: {part.text}"
        for key in part.keys:
            default = f" (default: {key.default})" if key.default else ""
            allowed = f", {key.range}" if key.range else ""
            yield f"  {key.key}"
            yield f"      {key.type}{allowed}{default}. {key.meaning}"
        yield ""


def as_json(found: Iterable[Part]) -> Iterator[str]:
    """Yield a JSON document with one object for each key."""
    yield json.dumps(
        [{"section": part.title, **asdict(key)} for part in found for key in part.keys], indent=2
    )


def markdown(found: Iterable[Part]) -> Iterator[str]:
    """Yield one table for each section."""
    for part in found:
        yield from (f"### {part.title}", "", part.text, "")
        yield from ("| Key | Type | Default | Range | Meaning |", "|---|---|---|---|---|")
        for key in part.keys:
            default = f"`{key.default}`" if key.default not in {"", "required"} else key.default
            cells = (f"`{key.key}`", key.type, default, key.range, key.meaning)
            yield f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |"
        yield ""


def keys(settings: type, path: str) -> Iterator[Key]:
    """Yield the keys of a section, each with `path` before it."""
    meanings = _meanings(settings)
    defaults = {field.name: field for field in fields(settings)}
    for name, field in fields_of(settings).items():
        here = f"{path}.{name}"
        default = defaults[name].default
        if default is MISSING and defaults[name].default_factory is MISSING:
            default = "required"
        yield Key(here, field.check.takes, _shown(default), field.check.allowed, meanings[name])
        if field.settings is not None:
            yield from keys(field.settings, f"{here}[]")


def _shown(default: Any) -> str:
    if default in (None, MISSING, "", ()):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _meanings(settings: type) -> dict[str, str]:
    """Return the docstrings under the fields, those of base classes included."""
    found = {}
    for each in reversed([each for each in settings.__mro__ if is_dataclass(each)]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        for line, text in pairwise(tree.body if isinstance(tree, ast.ClassDef) else []):
            match line, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                    value=ast.Constant(value=str(meaning))
                ):
                    found[name] = _one_line(meaning)
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())
