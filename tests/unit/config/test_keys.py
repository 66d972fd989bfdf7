"""Every annotated key, by what its annotation publishes: values inside the range are read, others refused."""

import importlib.resources
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostcollector.app.cli.keys import render
from hostcollector.base.errors import ConfigError
from hostcollector.config.checks import whole
from hostcollector.config.files import read_bytes
from hostcollector.config.reader import Field, Needed, fields_of
from hostcollector.config.settings import Settings
from hostcollector.config.web_config import WebConfig
from hostcollector.outputs.metrics_table import TableFormat

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
SERVICE = {"url": "https://a", "user": "u"}
BESIDE: dict[str, dict[str, object]] = {
    "tenancy.xpath[]": {"tenant": "a"},
    "guests.include[]": {"metadata": "a"},
    "guests.exclude[]": {"metadata": "a"},
    "infiniband.partitions[]": {"pkey": "0x1"},
    "ndfc": dict(SERVICE),
    "ufm": dict(SERVICE),
    "redfish": dict(SERVICE),
    "tls_server_config": {"cert_file": "c", "key_file": "k"},
    "access.readers[]": {"path": "/a", "users": ["b"], "certificates": ["c"]},
}
"""What must be in a section or an entry beside each of its keys."""

TOGETHER: dict[str, dict[str, object]] = {
    "ovn.certificate_file": {"private_key_file": "/k"},
    "ovn.private_key_file": {"certificate_file": "/c"},
    "ovn.remote": {"ca_file": "/a"},
    "tls_server_config.client_ca_file": {"client_auth_type": "VerifyClientCertIfGiven"},
    "tls_server_config.client_auth_type": {"client_ca_file": "a"},
    "tls_server_config.client_allowed_sans": {
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": "a",
    },
}
"""What one key needs beside it."""

EXAMPLES: dict[str, list[object]] = {
    "text": ["a", "ü"],
    "true or false": [True, False],
    "false": [False],
    "URI": ["qemu:///system", "test:///default"],
    "URL": ["https://a", "https://[::1]:8443/"],
    "address": [":1", "[::1]:65535", "a.b:0"],
    "path of a URL": ["/m"],
    "path of a directory": ["/", "/a"],
    "database server": ["unix:/a", "tcp:a:1"],
    "database servers": ["unix:/a", "ssl:a:1,ssl:b:1"],
    "P_Key": ["0x1", "0xffff"],
    "GUID": ["0c42a10300abcdef"],
    "pattern": ["infra-*", "*[!0-9]?", 7],
}
MAPPINGS: dict[str, dict[str, str]] = {
    "tenancy.xpath[].namespaces": {"one": "urn:x"},
    "guests.include[].namespaces": {"one": "urn:x"},
    "guests.exclude[].namespaces": {"one": "urn:x"},
    "http_server_config.headers": {"X-Frame-Options": "deny"},
    "basic_auth_users": {"a": HASH},
}


@dataclass(frozen=True)
class Key:
    """A key of `root`, its path with ``[]`` for an entry of a list."""

    root: type
    path: str
    field: Field

    def document(self, value: object) -> tuple[str, int]:
        """Return a document with this value, and its line."""
        section, _, name = self.path.rpartition(".")
        beside = {**BESIDE.get(section, {}), **TOGETHER.get(self.path, {})}
        keys = {**{key: each for key, each in beside.items() if key != name}, name: value}
        lines = [f"{key}: {json.dumps(each)}" for key, each in keys.items()]
        if section.endswith("[]"):
            above, entries = section.removesuffix("[]").split(".")
            shown = [
                f"{above}:",
                f"  {entries}:",
                f"    - {lines[0]}",
                *(f"      {line}" for line in lines[1:]),
            ]
        elif section:
            shown = [f"{section}:", *(f"  {line}" for line in lines)]
        else:
            shown = lines
        return "\n".join(shown), len(shown)


def keys_of(root: type, settings_class: type | None = None, above: str = "") -> Iterator[Key]:
    """Yield every key of a settings class, those of its sections and lists included."""
    for name, found in fields_of(settings_class or root).items():
        path = f"{above}{name}"
        yield Key(root, path, found)
        if found.settings is not None:
            entries = "[]" if found.check.takes.startswith("list") else ""
            yield from keys_of(root, found.settings, f"{path}{entries}.")


KEYS = [key for root in (Settings, WebConfig) for key in keys_of(root)]
LEAVES = [key for key in KEYS if key.field.settings is None and key.path != "sources"]


def right(key: Key) -> st.SearchStrategy[object]:
    """Return values that the key's published type and range allow."""
    takes, allowed = key.field.check.takes, key.field.check.allowed
    if takes == "number":
        lowest, highest = map(float, allowed.split(" to "))
        # Written with an exponent, YAML 1.1 takes a number for text.
        return (
            st.floats(lowest, highest)
            .map(lambda value: round(value, 3))
            .filter(lambda value: value >= lowest)
        )
    if takes == "whole number":
        return st.integers(*map(int, allowed.split(" to ")))
    if takes.startswith("path of a file"):
        return st.sampled_from(["/a", "/a/b.pem", *([] if key.path in TOGETHER else [None])])
    words = [word for word in allowed.split(", ") if word != "NoClientCert"]
    examples: dict[str, list[object]] = {**EXAMPLES, "word": [*words], "mapping": [MAPPINGS.get(key.path)]}
    item: st.SearchStrategy[object] = st.sampled_from(examples[takes.removeprefix("list: ")])
    return st.lists(item, unique=True) if takes.startswith("list: ") else item


def wrong(key: Key) -> st.SearchStrategy[object]:
    """Return values of another type, and those just outside the range."""
    takes, allowed = key.field.check.takes, key.field.check.allowed
    values: list[object] = [{"a": 1}] if takes != "mapping" else ["text", 1, True, [1]]
    if takes in {"whole number", "number"}:
        lowest, highest = map(float, allowed.split(" to "))
        beyond = [lowest - 1, highest + 1]
        values += [*(map(int, beyond) if takes == "whole number" else beyond), "text", True, None, [1]]
        values += [lowest + 0.5] if takes == "whole number" else []
    elif takes.startswith("list: "):
        values += ["text", 1, None, [[]]]
    elif takes in {"true or false", "false"}:
        values += ["text", 1, None, [True]]
    elif takes == "pattern":
        values += [[1], {}, None, "a\n", "x" * 257]
    elif takes != "mapping":
        values += [[1], {}, True]
    return st.sampled_from(values)


@pytest.mark.parametrize("key", LEAVES, ids=lambda key: key.path)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_value_inside_the_published_range_is_read(key: Key, data: st.DataObject) -> None:
    """What CONFIG.md publishes for a key is what the reader takes."""
    text, _ = key.document(data.draw(right(key)))
    assert isinstance(read_bytes(text.encode(), "test.yml", key.root), key.root)


@pytest.mark.parametrize("key", LEAVES, ids=lambda key: key.path)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_value_outside_the_published_range_is_refused_with_its_line(key: Key, data: st.DataObject) -> None:
    """Each refused value is reported with its path and line; what depends on it may be reported too."""
    text, line = key.document(data.draw(wrong(key)))
    with pytest.raises(ConfigError) as caught:
        read_bytes(text.encode(), "test.yml", key.root)
    place = key.path.replace("[]", "[0]")
    problem, *others = caught.value.problems
    assert problem.startswith(place)
    assert problem.endswith(f"(line {line})")
    assert all(other.startswith(place.rpartition(".")[0]) for other in others)


def test_every_key_is_in_the_list_with_its_meaning() -> None:
    """CONFIG.md has each key once, and a sentence for it."""
    rows = {row["key"]: row for row in json.loads(render(TableFormat.JSON))}
    assert {key.path for key in LEAVES} <= set(rows)
    assert [name for name, row in rows.items() if not row["meaning"]] == []


def test_written_list_is_current() -> None:
    """CONFIG.md in the package is what `hostcollector config --format markdown` prints."""
    written = importlib.resources.files("hostcollector").joinpath("CONFIG.md").read_text(encoding="utf-8")
    fix = "run: hostcollector config --format markdown > hostcollector/CONFIG.md"
    assert written == render(TableFormat.MARKDOWN), fix


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A section of another program."""

    size: Annotated[int, whole(1, 9)] = 3


@dataclass(frozen=True, kw_only=True)
class Outer:
    """The settings of another program."""

    name: Annotated[str, Needed("what the program is called")]
    inner: Inner = field(default_factory=Inner)


def test_another_program_brings_its_own_settings() -> None:
    """The reader knows no key: the class that it is given has them all."""
    assert read_bytes(b"{name: a, inner: {size: 9}}", "t", Outer) == Outer(name="a", inner=Inner(size=9))
    with pytest.raises(ConfigError) as caught:
        read_bytes(b"inner:\n  size: 10\nlibvirt: {}\n", "t", Outer)
    assert caught.value.problems == (
        "inner.size: expected 1 to 9, not 10 (line 2)",
        "libvirt: unknown key; known here: name, inner (line 3)",
    )
    with pytest.raises(ConfigError, match="name is missing: what the program is called"):
        read_bytes(b"inner: {}", "t", Outer)
