"""Rows are read as RFC 7047 writes them, and differences lead where the server's row is."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import SourceMalformedError
from hostcollector.protocols.ovsdb.replica import Replica, updated
from hostcollector.protocols.ovsdb.row import ColumnKind, Row, kind_of, read_row

KINDS = {
    "name": ColumnKind.ATOM,
    "tag": ColumnKind.ATOM,
    "ports": ColumnKind.SET,
    "statistics": ColumnKind.MAP,
}
TABLES = {"Interface": KINDS}

NAMES = st.text(max_size=4)
COUNTS = st.dictionaries(NAMES, st.integers(0, 3), max_size=5)


def as_map(entries: Mapping[str, int]) -> list[Any]:
    """Return a map as the protocol writes it."""
    return ["map", [list(entry) for entry in entries.items()]]


def as_set(members: set[str]) -> Any:
    """Return a set as the protocol writes it: one member may come bare."""
    return next(iter(members)) if len(members) == 1 else ["set", sorted(members)]


def after(*changes: dict[str, Any]) -> Row:
    """Return a row after changes, one update each."""
    replica = Replica()
    for change in changes:
        replica = updated(replica, {"Interface": {"u": change}}, TABLES, 0.0)
    return replica.rows("Interface")["u"]


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("string", ColumnKind.ATOM),
        ({"key": "integer", "min": 0}, ColumnKind.ATOM),
        ({"key": {"type": "uuid"}, "min": 0, "max": 1}, ColumnKind.ATOM),
        ({"key": {"type": "uuid"}, "min": 1, "max": "unlimited"}, ColumnKind.SET),
        ({"key": "integer", "min": 0, "max": 4096}, ColumnKind.SET),
        ({"key": "string", "value": "integer", "min": 0, "max": "unlimited"}, ColumnKind.MAP),
    ],
)
def test_the_schema_says_how_a_column_is_read(declared: object, kind: ColumnKind) -> None:
    """An optional value is an atom like any other; what can have several members is a set."""
    assert kind_of(declared) is kind


def test_a_row_is_read() -> None:
    """Each notation arrives, what is not of the asked kind is nothing, unknown columns are passed over."""
    row = read_row(
        {
            "name": "vhu1",
            "tag": ["set", []],
            "ports": ["set", [["uuid", "a"], ["uuid", "b"]]],
            "statistics": ["map", [["rx_packets", 1], ["odd", True], ["text", "x"]]],
            "novelty": 1,
        },
        KINDS,
    )
    assert (row.text("name"), row.number("name"), row.number("tag"), row.text("novelty")) == (
        "vhu1",
        None,
        None,
        "",
    )
    assert row.members("ports") == {"a", "b"}
    assert row.numbers("statistics") == {"rx_packets": 1}
    assert row.texts("statistics") == {"text": "x"}
    assert row.members("statistics") == frozenset()


@given(COUNTS, COUNTS)
def test_a_maps_difference_leads_to_the_servers_map(before: dict[str, int], now: dict[str, int]) -> None:
    """Entries come, change, and go with their old value."""
    gone = {key: value for key, value in before.items() if key not in now}
    new = {key: value for key, value in now.items() if before.get(key) != value}
    row = after(
        {"initial": {"statistics": as_map(before)}}, {"modify": {"statistics": as_map({**gone, **new})}}
    )
    assert row.numbers("statistics") == now


@given(st.sets(NAMES, max_size=5), st.sets(NAMES, max_size=5))
def test_a_sets_difference_leads_to_the_servers_set(before: set[str], now: set[str]) -> None:
    """Members that are in the difference come if they were not there, and go if they were."""
    row = after({"insert": {"ports": as_set(before)}}, {"modify": {"ports": as_set(before ^ now)}})
    assert row.members("ports") == now


def test_an_atoms_difference_is_the_new_value() -> None:
    """An optional value is replaced, and cleared by the empty set."""
    assert after({"insert": {"tag": 5}}, {"modify": {"tag": 7}}).number("tag") == 7
    assert after({"insert": {"tag": 5}}, {"modify": {"tag": ["set", []]}}).number("tag") is None


def test_an_update_leaves_the_earlier_replica_as_it_was() -> None:
    """A replica is the state of one moment."""
    first = updated(
        Replica(), {"Interface": {"u": {"insert": {"statistics": as_map({"a": 1})}}}}, TABLES, 1.0
    )
    second = updated(first, {"Interface": {"u": {"modify": {"statistics": as_map({"a": 2})}}}}, TABLES, 2.0)
    third = updated(second, {"Interface": {"u": {"delete": None}}}, TABLES, 3.0)
    assert first.rows("Interface")["u"].numbers("statistics") == {"a": 1}
    assert second.rows("Interface")["u"].numbers("statistics") == {"a": 2}
    assert third.rows("Interface") == {}
    assert first.changed_at == {}
    assert second.changed_at == third.changed_at == {("Interface", "statistics"): 2.0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["set", "map", "uuid", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KINDS, "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)
CHANGES = st.dictionaries(st.sampled_from(["initial", "insert", "modify", "delete", "x"]), JSON, max_size=2)
UPDATES = st.dictionaries(
    st.sampled_from(["Interface", "Interface", "Other"]),
    st.dictionaries(st.sampled_from(["u", "v"]), CHANGES | JSON, max_size=2) | JSON,
)


@given(st.lists(UPDATES | JSON, max_size=4))
def test_no_update_raises_anything_but_the_typed_error(updates: list[Any]) -> None:
    """Whatever a server sends is applied or refused."""
    replica = Replica()
    for update in updates:
        try:
            replica = updated(replica, update, TABLES, 0.0)
        except SourceMalformedError:
            continue
    assert set(replica.tables) <= {"Interface"}


@given(st.lists(NAMES, unique=True, max_size=4), st.dictionaries(st.sampled_from([*KINDS]), JSON, max_size=3))
def test_one_bad_row_among_good_ones_loses_only_itself(names: list[str], bad: dict[str, Any]) -> None:
    """Whatever is in its columns: the others are read, and it is read or noted; its end ends the note."""
    rows = {f"good-{name}": {"insert": {"name": name}} for name in names}
    replica = updated(Replica(), {"Interface": {"bad": {"insert": bad}, **rows}}, TABLES, 0.0)
    table = replica.rows("Interface")
    assert [table[uuid].text("name") for uuid in rows] == names
    assert ("bad" in table) != (("Interface", "bad") in replica.unread)
    later = updated(replica, {"Interface": {"bad": {"modify": {"name": "x"}}}}, TABLES, 0.0)
    assert ("Interface", "bad") not in later.unread or later.rows("Interface") == table
    assert updated(later, {"Interface": {"bad": {"delete": None}}}, TABLES, 0.0).unread == {}
