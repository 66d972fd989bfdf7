"""The report for the person at the terminal."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.definition import Domain
from hostcollector.base.model import Family, Snapshot, SourceState
from hostcollector.catalogue import collection
from hostcollector.outputs.diagnose.lines import healthy, lines
from tests.fakes import snapshots


def test_the_report_names_sources_notes_and_guests() -> None:
    """Libvirt, each source's state with the fix, and the guests by tenant are all there."""
    report = list(lines(snapshots.hypervisor()))
    assert report[0] == (
        "libvirt at qemu:///system is up (QEMU 10.0.2, libvirt daemon 11.3.0, libvirt library 11.3.1)"
    )
    assert report[2].split() == ["procfs", "ok", "1", "series", "0.01", "s"]
    assert report[3].split() == ["netlink", "failed", "(denied)", "0", "series", "0.50", "s"]
    assert report[4].endswith("- the kernel refuses the link dump: add AF_NETLINK to RestrictAddressFamilies")
    assert report[6] == "3 guests of 1 tenant, 1 without a tenant, 1 blocked"
    assert "  acme Acme Corporation: 2 guests" in report
    database = next(line for line in report if "database" in line)
    assert database.endswith("paused (ioerror), stopped by an I/O error, monitor blocked for 15 s")
    assert report[-1].startswith("  To give a guest a tenant: virsh metadata ")


def test_only_guests_that_need_attention_are_listed() -> None:
    """A full host has hundreds of guests: the well ones are counted, and of the others so many are named."""
    report = "\n".join(lines(snapshots.hypervisor()))
    assert snapshots.DATABASE.domain.uuid in report
    assert snapshots.STRAY.domain.uuid in report
    assert snapshots.WEB.domain.uuid not in report
    many = tuple(
        replace(snapshots.STRAY, domain=Domain(uuid=f"u-{number}", name="x")) for number in range(30)
    )
    report = "\n".join(lines(replace(snapshots.hypervisor(), guests=many)))
    assert report.count("  x  u-") == 20
    assert "    and 10 guests more" in report


def test_healthy_means_libvirt_and_every_source() -> None:
    """One failed source, or libvirt that does not answer, is not healthy."""
    failing = snapshots.hypervisor()
    well = replace(
        failing, reports=tuple(replace(report, state=SourceState.PARTIAL) for report in failing.reports)
    )
    assert not healthy(failing)
    assert healthy(well)
    assert not healthy(replace(well, families=(Family(collection.LIBVIRT_UP, {(): 0.0}),)))
    assert "does not answer" in next(lines(Snapshot(taken_at=0.0, families=())))


@given(st.text(min_size=1), st.text())
def test_no_name_reaches_the_terminal_raw(name: str, tenant: str) -> None:
    """Whatever guests and tenants are called, every line is printable."""
    assert all(line.isprintable() for line in lines(snapshots.named(name, tenant)))


def test_guests_that_are_left_out_are_counted() -> None:
    """The report ends with them, and with the patterns that match nothing."""
    snapshot = replace(snapshots.hypervisor(), left_out=1, notes=("guests.include[0] matches no guest",))
    assert list(lines(snapshot))[-2:] == [
        "  1 more guest has no series: guests in the configuration",
        "  selection: guests.include[0] matches no guest",
    ]
