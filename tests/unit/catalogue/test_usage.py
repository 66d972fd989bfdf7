"""A line of the usage ledger says one thing: what the daemon writes is read back, and nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.catalogue.usage import (
    LARGEST,
    METERS,
    Ended,
    Gap,
    GpuMode,
    GpuUse,
    HourClosed,
    UsageLineError,
    UsageRecord,
    Why,
    parse_line,
)

HOUR = 1795906800  # 2026-11-28T23:00:00Z
RECORD = UsageRecord(
    sequence=17,
    ledger="0123456789abcdef" * 2,
    tenant="acme",
    vm="6d4f2e0c-1111-4222-8333-444455556666",
    life="00112233aabbccdd",
    hour=HOUR,
    running=((HOUR, HOUR + 100), (HOUR + 200, HOUR + 3600)),
    observed_seconds=3440,
    unseen_seconds=3,
    gaps=(Gap(Why.COLLECTOR_DOWN, HOUR + 300, HOUR + 357),),
    ended=Ended.MIGRATED,
    flavour="m1.large",
    meters={"running_seconds": 3500, "disk_reads": 0, "disk_written_bytes": LARGEST},
    gpus=(
        GpuUse(model="NVIDIA H200", mode=GpuMode.PASSTHROUGH, seconds=7000, joules=12),
        GpuUse(model="NVIDIA A40", mode=GpuMode.VGPU, profile="nvidia-558", seconds=3500),
    ),
)
CLOSED = HourClosed(sequence=18, ledger=RECORD.ledger, hour=HOUR)


def changed(**values: Any) -> bytes:
    """Return the record's line with other values."""
    return json.dumps({**json.loads(RECORD.line()), **values}).encode()


def test_a_line_reads_as_the_contract_says() -> None:
    """The line is one compact object, with keys in the promised sequence; zero is there, unknown is not."""
    document = json.loads(RECORD.line())
    assert list(document) == [
        *("kind", "sequence", "ledger", "id", "revision", "tenant", "vm", "life", "hour", "running"),
        *("observed_seconds", "unseen_seconds", "gaps", "ended", "flavour", "meters", "gpus"),
    ]
    assert document["hour"] == "2026-11-28T23:00:00Z"
    assert document["meters"] == {"running_seconds": 3500, "disk_written_bytes": LARGEST, "disk_reads": 0}
    assert document["gaps"] == [{"reason": "collector_down", "from": HOUR + 300, "to": HOUR + 357}]
    assert "joules" not in document["gpus"][1]
    assert json.loads(CLOSED.line()) == {
        "kind": "closed",
        "sequence": 18,
        "ledger": RECORD.ledger,
        "hour": "2026-11-28T23:00:00Z",
    }


def test_what_is_written_is_read_back() -> None:
    """A record and a closed hour come back as they were."""
    assert parse_line(RECORD.line().encode()) == RECORD
    assert parse_line(CLOSED.line().encode()) == CLOSED


@pytest.mark.parametrize("name", ["ledger", "tenant", "vm", "life", "hour", "revision"])
def test_the_id_names_the_record(name: str) -> None:
    """Each part that makes a record another one changes its id; nothing else does."""
    other: Any = {"hour": HOUR - 3600, "revision": 1}.get(name, "b" + str(getattr(RECORD, name))[1:])
    assert replace(RECORD, **{name: other}).id != RECORD.id
    assert replace(RECORD, sequence=99, observed_seconds=0).id == RECORD.id


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 60_000,
        b"1" * 5_000,
        b'{"kind":"other"}',
        b'{"kind":"closed","kind":"closed"}',
        CLOSED.line().replace('{"kind"', '{"sequence":9,"kind"').encode(),
        b" " * 100_000,
        CLOSED.line().replace("28T23:00", "28T23:30").encode(),
        CLOSED.line().replace("11-28", "13-28").encode(),
        CLOSED.line().replace("18", "18.0").encode(),
        changed(extra=1),
        changed(sequence=0),
        changed(sequence=True),
        changed(revision=1),
        changed(tenant="=cmd()"),
        changed(vm="../etc"),
        changed(running=[[HOUR + 200, HOUR + 3600], [HOUR, HOUR + 100]]),
        changed(running=[[HOUR - 1, HOUR + 3499]]),
        changed(running=[[HOUR, HOUR + 3600]]),
        changed(running=[[1, 2, 3]]),
        changed(unseen_seconds=-1),
        changed(observed_seconds=3601),
        changed(gaps=[{"reason": "lunch", "from": HOUR, "to": HOUR + 1}]),
        changed(gaps=[{"reason": "unreadable", "from": HOUR, "to": HOUR}]),
        changed(gaps=[{"reason": ["unreadable"], "from": HOUR, "to": HOUR + 1}]),
        changed(ended="tired"),
        changed(flavour="m1\x1b[2J"),
        changed(meters={"running_seconds": 3500, "disk_reads": LARGEST + 1}),
        changed(meters={"running_seconds": 3500, "disk_reads": 1.5}),
        changed(meters={"running_seconds": 3500, "coffee": 1}),
        changed(meters=[]),
        changed(gpus=[{"model": "x" * 200, "mode": "mig", "profile": "", "seconds": 1}]),
        changed(gpus=[{"model": "x", "mode": "mig", "seconds": 1}]),
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    """A line that no daemon writes is an error with its cause, and never a record."""
    with pytest.raises(UsageLineError):
        parse_line(line)


@given(st.data())
def test_a_record_with_one_other_byte_is_the_record_or_an_error(data: st.DataObject) -> None:
    """Whatever happens to a line, parsing it raises nothing but the one error."""
    line = bytearray(RECORD.line().encode())
    line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_line(bytes(line))
    except UsageLineError:
        return


def test_the_meters_have_the_units_of_their_names() -> None:
    """A meter's name ends with its unit, so that no reader has to guess."""
    units = {"byte_seconds": "B.s", "bytes": "B", "seconds": "s", "reads": "1", "writes": "1", "packets": "1"}
    for name, meter in METERS.items():
        assert meter.unit == next(unit for end, unit in units.items() if name.endswith(end)), name
