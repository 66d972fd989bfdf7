"""OVSDB, OVN, NDFC and UFM that hang at the same time cost their own series and nothing else."""

from pathlib import Path

from hostcollector.catalogue import collection
from hostcollector.catalogue import guest as guest_rows
from tests.bench.hanging import GUESTS, HANGING, SERIES_OF_A_GUEST, failed, hung


def test_all_four_at_once(tmp_path: Path) -> None:
    """The other series are all there, and the page says of each of the four that it gives nothing."""
    with hung(tmp_path) as collector:
        snapshot = collector.snapshot(60.0).result()
    families = {family.metric: family.series for family in snapshot.families}
    assert len(families[guest_rows.EVENTS]) == GUESTS * SERIES_OF_A_GUEST
    assert failed(snapshot) == HANGING
    up = families[collection.SOURCE_UP]
    assert {name for (name,), value in up.items() if value == 0} == HANGING
    assert all(report.notes for report in snapshot.reports if report.source in HANGING)
