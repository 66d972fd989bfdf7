"""Regular expressions of selectors: what is taken means the same as in Prometheus."""

import json
import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from hostcollector.outputs.re2 import compiled

_PIECES = r"""
    a ä . ^ $ | ( (?: (?P<n> (?i) (?s: (?i-s: ) [a-z] [^a] []a] [\d_] [a-\d] [ [: ] -- &&
    * + ? *? {2} {2,} {2,3}? {,3} {a } \d \w \s \b \. \- \_ \x41 \n \a \A \z \0 \
"""
"""Parts of the syntax, in groups that are valid and in others that are not."""


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("(?=web).*", "lookahead and lookbehind are"),
        ("(?!web).*", "lookahead and lookbehind are"),
        (".*(?<=1)", "lookahead and lookbehind are"),
        (".*(?<!1)", "lookahead and lookbehind are"),
        (r"(.)\1", "a backreference is"),
        ("(?P<a>.)(?P=a)", "a backreference is"),
        ("(a)?(?(1)b|c)", "a backreference is"),
        ("(?>a+)b", "atomic groups and possessive repetition are"),
        ("a++", "atomic groups and possessive repetition are"),
        ("a{2}+", "atomic groups and possessive repetition are"),
        ("(?#all)web", "this kind of group is"),
        ("(?x)a b", "this kind of group is"),
        ("(?U)a*", "this kind of group is"),
        ("[[:alpha:]]+", "this class of characters is"),
        ("[a&&b]", "this class of characters is"),
        (r"web\Z", "this escape is"),
        (r"\pL+", "this escape is"),
        (r"\u0061", "this escape is"),
        ("a{,3}", "this is"),
    ],
)
def test_what_prometheus_reads_otherwise_is_refused(expression: str, what: str) -> None:
    """What RE2 lacks, and what it understands in another way than Python, is an error that names it."""
    with pytest.raises(ValueError, match=rf"^{what} not in the syntax of Prometheus \(RE2\)"):
        compiled(expression)


@pytest.mark.parametrize("expression", ["(", "a**", "(?i)ä", "a{1001}", "a{2,1}", "a(?i)b"])
def test_what_is_no_expression_is_an_error(expression: str) -> None:
    """Broken expressions, numbers above the limit and flags that mean less here are errors."""
    with pytest.raises(ValueError, match=r"."):
        compiled(expression)


@pytest.mark.parametrize(
    ("expression", "value", "matches"),
    [
        (r"\d+", "12", True),
        (r"\d+", "\u0663", False),  # an Arabic digit: RE2's classes are ASCII
        (r"\w", "ä", False),
        ("web|db", "web-1", False),
        ("a$", "a\n", False),
        ("a.b", "a\nb", True),
        ("(?i)WEB", "web", True),
        (r"[\[\]]", "]", True),
        ("a{x", "a{x", True),
    ],
)
def test_values_match_as_in_prometheus(expression: str, value: str, *, matches: bool) -> None:
    """An expression is for the whole value; classes of characters are those of ASCII."""
    assert bool(compiled(expression).fullmatch(value)) is matches


@pytest.mark.lab
def test_prometheus_takes_every_expression_that_is_taken_here(tmp_path: Path) -> None:
    """Thousands of expressions, made of pieces of the syntax, are valid for Prometheus's own parser."""
    draw, pieces = random.Random(0), _PIECES.split()
    taken = set()
    for _ in range(20_000):
        expression = "".join(draw.choices(pieces, k=draw.randint(1, 6)))
        with suppress(ValueError):
            compiled(expression)
            taken.add(expression)
    assert len(taken) > 1000
    queries = (f"x{{v=~{json.dumps(expression)}}}" for expression in sorted(taken))
    rules = [{"record": f"r{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "taken", "rules": rules}]}))
    done = subprocess.run(("promtool", "check", "rules", file), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
