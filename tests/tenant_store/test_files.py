"""The certificates and keys that the role writes, and removes when they leave the inventory."""

from pathlib import Path

import pytest

from tests.fleet.playbook import Playbooks
from tests.tenant_store.region import rendered

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(300)]


def test_a_key_that_left_the_inventory_is_removed(tmp_path: Path) -> None:
    """Only what the role wrote before goes; a file of the operator's stays."""
    with rendered(tmp_path, {}) as region:
        etc = region.directory / "etc"
        names = (etc / ".written").read_text().split()
        assert {"front.key", "agent.key"} < set(names)
        for name in ("old.key", "operators.pem"):
            (etc / name).write_text("a key")
        (etc / ".written").write_text("\n".join([*names, "old.key"]) + "\n")
        outcome = Playbooks(region.directory, region.directory / "inventory.json").run("tenant_store")
        assert outcome.succeeded, outcome.output[-4000:]
        assert not (etc / "old.key").exists()
        assert (etc / "operators.pem").exists()
        assert all((etc / name).exists() for name in names)
        assert (etc / ".written").read_text().split() == names
