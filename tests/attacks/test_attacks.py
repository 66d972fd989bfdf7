"""No client takes the page away: scrapes during an attack are served, and memory stays bounded."""

from pathlib import Path

import pytest

from tests.attacks.beside import under
from tests.attacks.daemon import attacked
from tests.attacks.group import MIB
from tests.attacks.kinds import ATTACKS, Attack

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(120)]

SECONDS = 3.2
BETWEEN_SCRAPES = 1.3
"""Longer than a page is served again, so that each scrape needs a collection."""

GROWTH = 128 * MIB
"""A quarter of what the unit allows, for all connections together."""

LOGGED = 16 * 1024
"""No attack fills the disk of the log."""


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=attack.name, marks=() if attack.brief else pytest.mark.full)
        for attack in ATTACKS
    ],
)
def test_a_good_scraper_beside_the_attack_is_served(attack: Attack, tmp_path: Path) -> None:
    """Each scrape is whole and each probe answered, during and after it, and nothing is killed."""
    with attacked(attack.page, tmp_path) as daemon:
        account = under(attack, daemon, SECONDS, interval=BETWEEN_SCRAPES, rest=0.3)
    assert account.killed == 0
    assert account.scrapes, "nothing was scraped in this time"
    assert len(account.served) == len(account.scrapes), account.faults or account.scrapes
    assert len(account.answered) == len(account.probes), account.faults
    assert account.after is not None
    assert account.after.series >= account.before.series * 0.98
    assert account.logged < LOGGED
    assert account.growth < GROWTH, f"{account.growth / MIB:.0f} MiB more"
