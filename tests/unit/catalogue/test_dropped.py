"""Rows that the configuration takes off the page."""

import pytest

from hostcollector.base.model import Family, Sample, Snapshot
from hostcollector.catalogue import ALL, collection, cpu, memory
from hostcollector.catalogue.dropped import dropped, needed
from hostcollector.collection.assemble import Assembler
from hostcollector.config.settings import SeriesSettings
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.overview import overview


def test_switches_and_patterns_choose_rows() -> None:
    """Every switch of the configuration has rows, and a pattern is for the whole name."""
    switches = {row.switch for row in ALL} - {""}
    off = SeriesSettings(compatibility_names=False, vcpu_detail=False)
    assert off.switched_off == switches
    assert cpu.VCPU_STATE in dropped({"vcpu_detail"}, ())
    assert memory.CURRENT_BALLOON in dropped({"compatibility_names"}, ())
    assert dropped((), ("libvirt_up",)) == {collection.LIBVIRT_UP}
    assert dropped((), ()) == frozenset()
    assert {row.name for row in dropped((), ("hostcollector_source_m*",))} == {"hostcollector_source_missing"}


def test_no_shipped_rule_or_board_needs_what_a_switch_takes_away() -> None:
    """The switches are safe; a row that an alert needs has a sentence with its name."""
    switches = SeriesSettings(compatibility_names=False, vcpu_detail=False).switched_off
    assert list(needed(dropped(switches, ()))) == []
    (sentence,) = needed({collection.LIBVIRT_UP})
    assert sentence.startswith("libvirt_up is dropped, but needed by the alert ")


@pytest.mark.parametrize("form", list(Format))
def test_the_page_lacks_them_and_the_status_page_does_not(form: Format) -> None:
    """They are read and judged as before: only the metrics page is shorter, and its series are counted so."""
    rows = frozenset({collection.LIBVIRT_UP})
    snapshot = Assembler(dropped=rows).assemble(
        taken_at=1.0,
        guests={},
        reports=(),
        own=[Sample(collection.LIBVIRT_UP, 1.0), Sample(collection.COLLECTION_DURATION, 1.0)],
        facts={},
    )
    assert b"libvirt_up" not in Encoder().encode(snapshot, form)
    assert b"hostcollector_collection_duration_seconds" in Encoder().encode(snapshot, form)
    assert overview(snapshot).libvirt_up is True
    families = (Family(collection.LIBVIRT_UP, {(): 1.0}),)
    assert Snapshot(taken_at=0.0, families=families, dropped=rows).sample_count == 0
