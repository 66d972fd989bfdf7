"""The judge of the fault matrix finds what is wrong on a page, and lets pass what a fault explains."""

import pytest

from tests.lab.matrix.complete import Complete
from tests.lab.matrix.footprint import MIB, Footprint
from tests.lab.matrix.harm import EVERYTHING, MONITOR, NO_HARM, Harm
from tests.lab.matrix.judge import Judge
from tests.lab.served import Page, parse

A = "aaaaaaaa-0000-4000-8000-000000000001"
NO_GUEST: frozenset[str] = frozenset()
HEALTHY = {
    "started": 100.0,
    "read_bytes": 4096.0,
    "balloon": 2.0**27,
    "faults": 70.0,
    "timed_out": 0.0,
    "partial": 0.0,
    "blocked": 0.0,
    "up": 1.0,
    "duration": 0.25,
}
LINES = {
    "started": 'libvirt_domain_start_timestamp_seconds{{uuid="{a}"}}',
    "read_bytes": 'libvirt_domain_block_stats_read_bytes_total{{uuid="{a}",target_device="vda"}}',
    "balloon": 'libvirt_domain_memory_stats_current_balloon_bytes{{uuid="{a}"}}',
    "faults": 'libvirt_domain_memory_stats_minor_fault_total{{uuid="{a}"}}',
    "timed_out": 'libvirt_domain_timed_out{{uuid="{a}"}}',
    "partial": 'libvirt_domain_stats_partial{{uuid="{a}"}}',
    "blocked": 'libvirt_domain_monitor_blocked_seconds{{uuid="{a}"}}',
    "up": 'hostcollector_source_up{{source="libvirt_monitor"}}',
    "duration": "hostcollector_collection_duration_seconds",
}
WITHOUT_DISK = {"read_bytes": None, "balloon": None}
HUNG = Harm(guests={A: MONITOR})
ENDED = Harm(guests={A: EVERYTHING})


def _page(**changes: float | None) -> Page:
    return parse(_text(**changes))


def _text(**changes: float | None) -> str:
    shown = {**HEALTHY, **changes}
    return "".join(
        f"{LINES[name].format(a=A)} {value}\n" for name, value in shown.items() if value is not None
    )


def _verdict(*pages: Page, harm: Harm = NO_HARM, dead: frozenset[str] = NO_GUEST) -> list[str]:
    """Return what the judge says of the last page."""
    judge = Judge(Complete.of([_page()]))
    return [judge.wrong(page, harm, dead) for page in (_page(), *pages)][-1]


@pytest.mark.parametrize(
    ("page", "harm", "complaint"),
    [
        (_page(read_bytes=4095), NO_HARM, "went back from 4096 to 4095"),
        (_page(read_bytes=0), HUNG, "went back from 4096 to 0"),
        (_page(balloon=0), HUNG, "is 0"),
        (_page(**WITHOUT_DISK, timed_out=1), NO_HARM, "is missing for"),
        (_page(**WITHOUT_DISK), HUNG, "nothing says why"),
        (_page(faults=None), NO_HARM, "is missing for"),
        (_page(started=200), HUNG, "moved from 100 to 200"),
        (_page(up=None), HUNG, "hostcollector_source_up{} is missing"),
    ],
)
def test_what_is_wrong_is_found(page: Page, harm: Harm, complaint: str) -> None:
    """Counters that go back, zeros, gaps without a fault or without an explanation, lives that restart."""
    assert any(complaint in sentence for sentence in _verdict(page, harm=harm))


@pytest.mark.parametrize(
    ("page", "harm"),
    [
        (_page(), NO_HARM),
        (_page(read_bytes=8192), NO_HARM),
        (_page(**WITHOUT_DISK, timed_out=1, blocked=3), HUNG),
        (_page(**WITHOUT_DISK, partial=1), HUNG),
        (_page(faults=None), HUNG),
        (_page(faults=3), HUNG),
        (_page(**WITHOUT_DISK, up=0), Harm(everywhere=MONITOR)),
        (_page(**WITHOUT_DISK, timed_out=None, partial=None, blocked=None), ENDED),
        (_page(started=200, read_bytes=0), ENDED),
        (_page(started=None, read_bytes=0), ENDED),
    ],
)
def test_what_a_fault_explains_passes(page: Page, harm: Harm) -> None:
    """What it may take is missing and the page says so; a new life, or one not reported, counts anew."""
    assert _verdict(page, harm=harm) == []


def test_a_device_that_comes_back_counts_anew() -> None:
    """It was gone when the page had the guest's other devices; one that hides with them was not."""
    second = LINES["read_bytes"].format(a=A).replace("vda", "vdb")
    with_it, anew = (parse(f"{_text()}{second} {value}\n") for value in (4096, 0))
    assert _verdict(with_it, _page(), anew) == []
    (sentence,) = _verdict(with_it, _page(**WITHOUT_DISK, timed_out=1), anew, harm=HUNG)
    assert "went back from 4096 to 0" in sentence


def test_a_slow_qemu_is_counted_and_not_held_against_the_page() -> None:
    """A guest without a fault whose QEMU was measured to be slow is a figure of its own."""
    judge = Judge(Complete.of([_page()]))
    assert judge.wrong(_page(**WITHOUT_DISK, timed_out=1, blocked=0.9), NO_HARM, NO_GUEST) == []
    assert judge.slow == 1


def test_a_guest_that_libvirt_keeps_locked_is_counted_too() -> None:
    """The counts of all domains are missing, and the page says that the states are not all there."""
    counts, partial = "libvirt_domains", 'hostcollector_source_partial{source="libvirt_state"}'
    whole, without = parse(f"{_text()}{counts} 3\n{partial} 0\n"), parse(f"{_text()}{partial} 1\n")
    judge = Judge(Complete.of([whole]))
    assert judge.wrong(without, NO_HARM, NO_GUEST) == []
    assert judge.slow == 1
    assert judge.wrong(parse(f"{_text()}{partial} 0\n"), NO_HARM, NO_GUEST) != []


def test_the_dead_may_be_on_one_page_only() -> None:
    """The collection that was under way may show them, also if several scrapes share it; the next may not."""
    dead = frozenset({A})
    assert _verdict(_page(), harm=ENDED, dead=dead) == []
    assert _verdict(_page(), _page(), harm=ENDED, dead=dead) == []
    (sentence,) = _verdict(_page(), _page(duration=0.5), harm=ENDED, dead=dead)
    assert sentence == f"{A} has ended and is still there"


def test_growth_beyond_the_bound_is_a_leak() -> None:
    """Each quantity is compared for itself."""
    bound = Footprint(threads=2, descriptors=2, memory=MIB)
    before = Footprint(threads=10, descriptors=10, memory=50 * MIB)
    assert Footprint(12, 12, 51 * MIB).growth_over(before, bound) == []
    assert len(Footprint(13, 13, 52 * MIB).growth_over(before, bound)) == 3


@pytest.mark.parametrize(
    ("now", "lacking"),
    [
        ('libvirt_domain_check{{uuid="{a}",check="system"}} 0\n', 0),
        ('libvirt_domain_check_reason_info{{uuid="{a}",check="system",result="unknown",reason="x"}} 1\n', 0),
        ('libvirt_domain_check{{uuid="{a}",check="instance"}} 1\n', 1),
        ("", 1),
    ],
)
def test_a_check_has_a_result_or_the_reason_why_it_is_unknown(now: str, lacking: int) -> None:
    """A page with neither lacks the check."""
    healthy = Complete.of([parse(f'libvirt_domain_check{{uuid="{A}",check="system"}} 1\n')])
    assert len(healthy.lacking_on(parse(now.format(a=A)))) == lacking
