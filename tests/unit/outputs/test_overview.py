"""The gist of a snapshot."""

from dataclasses import replace

import pytest

from hostcollector.base.model import Family, Snapshot
from hostcollector.catalogue import collection
from hostcollector.outputs.overview import overview
from tests.fakes.snapshots import DATABASE, STRAY, WEB, hypervisor, identity


def test_guests_are_grouped_by_tenant_with_the_unassigned_last() -> None:
    """Tenants are in alphabetical order, their guests too, and unassigned guests come last."""
    gist = overview(hypervisor())
    assert [(group.id, [line.name for line in group.guests]) for group in gist.groups] == [
        ("acme", ["database", "web"]),
        ("", ["stray"]),
    ]
    assert (gist.guest_count, gist.tenant_count) == (3, 1)
    assert [line.name for line in gist.unassigned] == ["stray"]
    assert [line.name for line in gist.blocked] == ["database"]


def test_what_the_snapshot_does_not_say_is_unknown() -> None:
    """Without series there is no state, no version, and libvirt is neither up nor down."""
    gist = overview(Snapshot(taken_at=0.0, families=(), guests=(WEB,)))
    assert gist.libvirt_up is None
    assert gist.versions == {}
    (line,) = gist.groups[0].guests
    assert (line.state, line.marks, line.blocked) == ("", (), False)


@pytest.mark.parametrize(
    ("family", "marks", "blocked"),
    [
        (Family(collection.MONITOR_BLOCKED, {identity(WEB): 0.2}), (), False),
        (Family(collection.MONITOR_BLOCKED, {identity(WEB): 90.0}), ("monitor blocked for 1 m 30 s",), True),
        (Family(collection.TIMED_OUT, {identity(WEB): 1.0}), ("monitor does not answer",), True),
        (Family(collection.TIMED_OUT, {identity(WEB): 0.0}), (), False),
        (Family(collection.STATS_PARTIAL, {identity(WEB): 1.0}), ("statistics incomplete",), False),
        (Family(collection.STATS_PARTIAL, {identity(DATABASE): 1.0}), (), False),
    ],
)
def test_marks_follow_the_guests_own_series(family: Family, marks: tuple[str, ...], *, blocked: bool) -> None:
    """A guest is marked for what its own series say, and a monitor that is merely at work is no mark."""
    gist = overview(Snapshot(taken_at=0.0, families=(family,), guests=(WEB,)))
    (line,) = gist.groups[0].guests
    assert (line.marks, line.blocked) == (marks, blocked)


def test_libvirt_that_is_down_is_down() -> None:
    """A 0 in libvirt_up is an answer."""
    down = replace(hypervisor(), families=(Family(collection.LIBVIRT_UP, {(): 0.0}),), guests=(STRAY,))
    assert overview(down).libvirt_up is False
