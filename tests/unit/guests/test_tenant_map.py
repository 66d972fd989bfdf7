"""The operator's map of tenants: nothing in it is guessed, and every mistake has its line."""

from pathlib import Path

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.guests.tenant_map import MappedTenant, read

ODD = "expected text without control characters and outer blanks, not"
TAG = "means nothing here: write the value alone"
UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"


def problems_of(path: Path, text: str) -> tuple[str, ...]:
    """Return what is wrong with a map."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    return caught.value.problems


@pytest.mark.parametrize(
    "written", [UUID, UUID.upper(), UUID.replace("-", ""), f"'{{{UUID}}}'", f"'{{{UUID.upper()}}}'"]
)
def test_a_uuid_is_the_same_in_every_form(tmp_path: Path, written: str) -> None:
    """Tools write UUIDs in upper case, in braces and without dashes; libvirt does not."""
    (tmp_path / "map").write_text(f"uuids: {{{written}: acme}}")
    assert read(tmp_path / "map").lookup(UUID, "any") == MappedTenant(id="acme")


@pytest.mark.parametrize("tenant", ["101", "2026-13-45", "2024-31-12", "0x1F", "1e3", "no", "0101", "ü b"])
def test_a_tenant_is_the_text_that_is_written(tmp_path: Path, tenant: str) -> None:
    """What YAML would read as a number, a truth or an impossible date is a tenant's id like any other."""
    (tmp_path / "map").write_text(f"uuids: {{{UUID}: {tenant}}}")
    assert read(tmp_path / "map").lookup(UUID, "any") == MappedTenant(id=tenant)


@pytest.mark.parametrize("text", ["", "# none yet", "uuids:\nnames:\n", "uuids: {}\nnames: []"])
def test_a_map_that_is_being_begun_is_no_mistake(tmp_path: Path, text: str) -> None:
    """Without entries other resolvers name every guest."""
    (tmp_path / "map").write_text(text)
    assert read(tmp_path / "map").lookup(UUID, "any") is None


def test_patterns_are_tried_in_order_and_brackets_are_sets(tmp_path: Path) -> None:
    """A bracket that is meant as such is written as a set of its own."""
    (tmp_path / "map").write_text(
        "names:\n- {pattern: 'vm[[]1]', tenant: bracket}\n- {pattern: 'vm[1]', tenant: set}\n"
    )
    found = read(tmp_path / "map")
    assert [found.lookup("", name) for name in ("vm[1]", "vm1", "vm2")] == [
        MappedTenant(id="bracket"),
        MappedTenant(id="set"),
        None,
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"uuids:\n  {UUID}: a\n  {UUID}: b", f"uuids.'{UUID}': given twice, first in line 2 (line 3)"),
        (
            f"uuids:\n  {UUID}: a\n  {UUID.upper()}: b",
            f"uuids.'{UUID.upper()}': the same UUID as in line 2 (line 3)",
        ),
        (
            f"uuids:\n  {UUID}: a\n  {UUID.replace('-', '')}: b",
            f"uuids.'{UUID.replace('-', '')}': the same UUID as in line 2 (line 3)",
        ),
        (
            "uuids: {not-a-uuid: a}",
            f"uuids.'not-a-uuid': not a UUID such as {UUID} (line 1)",
        ),
        (f"uuids: {{'{{{UUID}': a}}", f"uuids.'{{{UUID}': not a UUID such as {UUID} (line 1)"),
        (f"uuids: {{' {UUID}': a}}", f"uuids.' {UUID}': not a UUID such as {UUID} (line 1)"),
        (f"uuids: {{{UUID[:-1]}g: a}}", f"uuids.'{UUID[:-1]}g': not a UUID such as {UUID} (line 1)"),
        (f"uuids: {{{UUID}: }}", f"uuids.'{UUID}': expected text, not nothing (line 1)"),
        (f"uuids: {{{UUID}: ''}}", f"uuids.'{UUID}': expected text, not the text '' (line 1)"),
        (f"uuids: {{{UUID}: [a]}}", f"uuids.'{UUID}': expected text, not a list (line 1)"),
        (
            f'uuids: {{{UUID}: "a\\x1b[2J"}}',
            f"uuids.'{UUID}': {ODD} 'a\\x1b[2J' (line 1)",
        ),
        (
            f"uuids: {{{UUID}: ' acme'}}",
            f"uuids.'{UUID}': {ODD} ' acme' (line 1)",
        ),
        (f"uuids: {{{UUID}: {'7' * 5000}}}", f"uuids.'{UUID}': longer than 256 characters (line 1)"),
        (
            f"uuids:\n  {UUID}: !!int abc",
            f"the tag 'tag:yaml.org,2002:int' {TAG} (line 2)",
        ),
        (
            f"uuids:\n  {UUID}: !!timestamp abc",
            f"the tag 'tag:yaml.org,2002:timestamp' {TAG} (line 2)",
        ),
        (
            "!!python/object:os.system {}",
            f"the tag 'tag:yaml.org,2002:python/object:os.system' {TAG} (line 1)",
        ),
        ("uuid: {}", "uuid: unknown key; did you mean uuids? (line 1)"),
        ("- a", "expected a mapping, not a list"),
        ("uuids: [a]", "uuids: expected a mapping, not a list (line 1)"),
        ("names: {a: b}", "names: expected a list, not a mapping (line 1)"),
        ("names: [{pattern: a}]", "names[0]: tenant missing (line 1)"),
        ("names: [a]", "names[0]: expected a mapping, not the text 'a' (line 1)"),
        (
            "names:\n- {pattern: a, tenant: b}\n- {pattern: a, tenant: c}",
            "names[1]: the same pattern as in line 2 (line 3)",
        ),
        (
            "names: [{pattern: a, tenant: b, nmae: c}]",
            "names[0].nmae: unknown key; did you mean name? (line 1)",
        ),
        ("[" * 5000, "not valid YAML: nested too deeply"),
        ("{", "not valid YAML: expected the node content, but found '<stream end>' (line 1, column 2)"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    """A wrong map is refused with the place, and nothing of it is used."""
    assert problems_of(tmp_path / "map", text) == (problem,)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    """All mistakes are named at once."""
    text = "uuid: {}\nuuids: {1: 2}\nnames: [{pattern: a}, {pattern: '', tenant: b}]"
    assert len(problems_of(tmp_path / "map", text)) == 4


def test_a_list_of_problems_has_an_end(tmp_path: Path) -> None:
    """A file that is something else altogether does not fill the screen."""
    problems = problems_of(tmp_path / "map", "uuids:\n" + "".join(f"  x{n}: a\n" for n in range(5000)))
    assert (len(problems), problems[-1]) == (101, "and more: these are the first")
