"""A VM that migrates under load and gets a new tenant, as two real stores have it afterwards."""

from collections.abc import Iterator

import pytest

from tests.lab.image import GuestImage
from tests.tenant_store.story import BACK, CUT, STUCK, TENANT, WINDOW, Story, perform
from tests.tenant_store.two_hosts import INTERVAL, OLDEST, two_hosts

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(600)]

STORES = ("VictoriaMetrics", "Prometheus")
COLLECTING = 2.0
"""Seconds that a collection may take on a busy machine: a value is read within them."""


@pytest.fixture(scope="module")
def story(guest_image: GuestImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Give the run, and what the stores have of it."""
    with two_hosts(guest_image, tmp_path_factory.mktemp("two-hosts")) as scene:
        yield perform(scene)


def fastest(story: Story, at: float) -> float:
    """Return the true rate that a store may show at a moment.

    That is the highest one over a window's samples, as early as the page and its collection may be.
    """
    early = OLDEST + COLLECTING
    lengths = (WINDOW, WINDOW - INTERVAL)
    shifts = [early * step / 8 for step in range(9)]
    ends = [at - shift - over for shift in shifts for over in (0.0, INTERVAL / 2, INTERVAL)]
    return max(
        (story.truth.at(end) - story.truth.at(end - length)) / length for end in ends for length in lengths
    )


def worst(story: Story, store: str) -> float:
    """Return how many times the truth the highest rate of a store is, until its host is cut off."""
    return max(
        value / fastest(story, at)
        for line in story.kept[store].rate.values()
        for at, value in line
        if story.start + WINDOW < at < story.event(CUT).start and fastest(story, at) > 0
    )


@pytest.mark.parametrize("store", STORES)
def test_a_running_vm_is_never_absent(story: Story, store: str) -> None:
    """Over two migrations, the second one with a stuck source; only cutting off its host makes it so."""
    absent = story.kept[store].absent
    print(f"{store}: absent at {len(absent)} moments, all while host 1 was cut off")
    assert not [at for at in absent if at < story.event(CUT).start]


@pytest.mark.parametrize("store", STORES)
def test_rate_is_at_most_five_percent_above_the_truth(story: Story, store: str) -> None:
    """Of CPU time against what the kernel counted for all QEMUs, at each second."""
    factor = worst(story, store)
    print(f"{store}: highest rate {factor:.3f} of the truth")
    assert factor <= 1.05


def test_each_scrape_has_the_vm_on_one_host(story: Story) -> None:
    """The source never shows it after the target, also while its libvirtd hangs and still lists it."""
    here, there = story.carried
    back = story.event(BACK)
    assert max(at for at, tenant in there if tenant) < min(
        at for at, tenant in here if tenant and at > back.start
    )
    assert not [at for at, tenant in there if tenant and at > story.event(STUCK).start]


def test_the_new_tenant_begins_at_zero(story: Story) -> None:
    """Its first sample is at most the work of an interval, and the last tenant's series ends."""
    for store in STORES:
        samples = story.kept[store].samples
        at, first = samples["globex"][0]
        assert 0 <= first <= story.truth.at(at) - story.truth.at(at - 2 * INTERVAL)
        assert max(stamp for stamp, _ in samples["acme"]) < story.event(TENANT).end + 2 * INTERVAL


def test_a_host_that_is_cut_off_is_a_gap(story: Story) -> None:
    """No sample is made up for it, and the counter goes on afterwards."""
    cut = story.event(CUT)
    for store in STORES:
        samples = story.kept[store].samples
        assert samples.keys() == {"acme", "globex"}
        stamps = [at for at, _ in samples["globex"]]
        assert not [at for at in stamps if cut.start + INTERVAL < at < cut.end - INTERVAL]
        assert [at for at in stamps if at > cut.end]
