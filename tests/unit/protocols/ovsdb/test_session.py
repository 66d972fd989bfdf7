"""A session takes whatever a server may say: it applies it, passes over it, or ends with a typed error."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import SourceError
from hostcollector.protocols.ovsdb.replica import Replica
from hostcollector.protocols.ovsdb.session import Session, Watch
from tests.fakes.database import SWITCH_SCHEMA

SCHEMA = {"tables": {name: {"columns": columns} for name, columns in SWITCH_SCHEMA.items()}}
WATCH = Watch(database="Open_vSwitch", columns={"Interface": ("name", "statistics")})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["set", "map", "Interface", "u"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
CHANGES = st.sampled_from(
    [
        {"u": {"insert": {"name": "a"}}},
        {"u": {"modify": {"statistics": ["map", [["rx_packets", 1]]]}}},
        {"u": {"delete": None}},
    ]
)
STATES = st.sampled_from(
    [
        {"d": {"initial": {"name": "Open_vSwitch", "connected": True}}},
        {"d": {"modify": {"connected": False}}},
        {"d": {"initial": {"name": 7, "connected": "yes"}}},
        {"d": {"delete": None}},
    ]
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["echo", "update2", "update3", "locked", None]) | JSON,
        "id": st.none() | st.integers(0, 4) | JSON,
        "params": st.builds(lambda change: ["hostcollector", {"Interface": change}], CHANGES)
        | st.builds(lambda state: ["hostcollector-server", {"Database": state}], STATES)
        | JSON,
        "result": st.just(SCHEMA)
        | st.builds(lambda state: {"Database": state}, STATES)
        | st.builds(lambda change: {"Interface": change}, CHANGES)
        | JSON,
        "error": st.none() | JSON,
    },
)


class Writer:
    """Takes what the session sends."""

    def __init__(self) -> None:
        self.sent = 0

    def write(self, data: bytes) -> None:
        """Count what is sent."""
        self.sent += len(data)


@given(st.lists(MESSAGES, max_size=8))
def test_no_message_ends_in_anything_but_the_typed_error(messages: list[dict[str, Any]]) -> None:
    """Any order of any messages gives replicas or one `SourceError`."""
    published: list[Replica] = []
    session = Session(
        WATCH,
        (None, Writer()),  # type: ignore[arg-type] # nothing is read, and only `write` is called
        silence=10.0,
        clock=lambda: 0.0,
        publish=published.append,
        heard=lambda: None,
    )
    session._request("get_schema", ["Open_vSwitch"], session._have_schema)
    session._request("monitor_cond", [], session._have_state, session._have_no_state)
    with suppress(SourceError):
        for message in messages:
            session._handle(message)
    assert all(set(replica.tables) <= {"Interface"} for replica in published)


def test_a_refusal_is_quoted() -> None:
    """What the server says of a wrong request is in the error, at most two lines of it."""
    session = Session(
        WATCH,
        (None, Writer()),  # type: ignore[arg-type] # as above
        silence=10.0,
        clock=lambda: 0.0,
        publish=lambda _: None,
        heard=lambda: None,
    )
    session._request("get_schema", ["Other"], session._have_schema)
    with pytest.raises(SourceError, match=r"^the server refuses: no database Other$"):
        session._handle({"id": 1, "error": {"error": "unknown database", "details": "no database Other"}})
