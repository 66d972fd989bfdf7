"""Nothing private is on the tenant page, whatever the host's names, labels and values are.

Names and values are drawn at random, and searched for in the page as a tenant's store gets it. Each rule that
keeps them out is taken out in turn: the search must then find something.
"""

import random
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostcollector.base.model import Family, Guest, Kind, Metric, Neighbours, Snapshot, TenantView
from hostcollector.catalogue import ALL, block, gpu, guest, vm
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.tenant_page import views
from tests.fakes.tenants import STARTED, TenantHost, customer, kept, snapshot

PRIVATE = [row for row in ALL if row.tenant is None and row.kind in (Kind.COUNTER, Kind.GAUGE)]
"""What no tenant sees."""


_WORD = re.compile("q[0-9a-f]{12}")


class Secrets:
    """A host with random names and values; `words` and `numbers` are those that no tenant may see."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.words: set[str] = set()
        self.numbers: set[str] = set()
        tenants = enumerate(("acme", "globex"), 1)
        self.guests = [customer(number, tenant, word=self.word) for number, tenant in tenants]
        # The addresses on the host are not the ones that the guests see.
        self.places = {known.domain.nics[1].pci_address for known in self.guests}
        self.places |= {known.domain.host_devices[0].pci_address for known in self.guests}

    def word(self) -> str:
        """Return a word that is nowhere else."""
        word = f"q{self._random.getrandbits(48):012x}"
        self.words.add(word)
        return word

    def label(self, row: Metric, _known: Guest, name: str) -> str:
        """Return an allowed value for what tenants see of a row, else a secret one."""
        return kept(row, name) or self.word()

    def value(self, row: Metric, _known: Guest | None) -> float:
        """Return a secret number for a private row."""
        if row is guest.START_TIME:
            return STARTED
        number = float(self._random.randrange(10**11, 10**12) * 1000 + 7)
        if row in PRIVATE:
            self.numbers.add(_written(number))
        return 1.0 if row.kind is Kind.INFO or row is guest.STATE_REASON else number

    def snapshot(self) -> Snapshot:
        """Return the host's snapshot."""
        return snapshot(self.guests, self.value, self.label)

    def leaked_in(self, page: str) -> set[str]:
        """Return the secrets that are in a page."""
        values = {line.rpartition(" ")[2] for line in page.splitlines() if not line.startswith("#")}
        found = {word for word in _WORD.findall(page) if word in self.words}
        return found | {place for place in self.places if place in page} | (self.numbers & values)


def _written(number: float) -> str:
    """Return a number as a page has it."""
    row = PRIVATE[0]
    one = Snapshot(taken_at=0.0, families=(Family(row, {("",) * len(row.label_names): number}),))
    return Encoder().encode(one, Format.TEXT).decode().split()[-1]


def leaks(seed: int) -> set[str]:
    """Return what leaks of a random host, after a look that the page is not simply empty."""
    secrets = Secrets(seed)
    with TemporaryDirectory() as directory:
        page = TenantHost(Path(directory)).text(secrets.snapshot())
    for name in (
        "vm_cpu_seconds_total",
        "vm_disk_info",
        "vm_network_receive_bytes_total",
        "vm_gpu_power_watts",
    ):
        assert page.count(f"\n{name}{{") >= len(secrets.guests), name
    return secrets.leaked_in(page)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_private_is_on_the_page(seed: int) -> None:
    """No name, address, label value or number of a host is on it, except those that the catalogue shows."""
    assert leaks(seed) == set()


def test_the_search_finds_what_is_there() -> None:
    """The operator's page of the same host has all of it: the search is not blind."""
    secrets = Secrets(1)
    page = Encoder().encode(secrets.snapshot(), Format.TEXT).decode()
    assert len(secrets.leaked_in(page)) > 500


@pytest.mark.parametrize(
    ("row", "planted"),
    [
        (
            block.INFO,
            TenantView(
                family=vm.DISK_INFO,
                neighbours=Neighbours.NONE,
                labels={"disk": "target_device", "volume": "source_file"},
            ),
        ),
        (guest.STATE_CODE, TenantView(family=vm.MEMORY_TOTAL, neighbours=Neighbours.NONE)),
        (
            gpu.INFO.guest,
            TenantView(
                family=vm.GPU_INFO, neighbours=Neighbours.NONE, labels={"gpu": "gpu", "model": "vendor"}
            ),
        ),
    ],
    ids=["label", "value", "other_label"],
)
def test_a_planted_leak_is_found(row: Metric, planted: TenantView, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view of a private row, or of the wrong label, is noticed; without the check of values it is."""
    before = row.tenant
    monkeypatch.setattr(views, "allowed", lambda _label, _value: True)
    object.__setattr__(row, "tenant", planted)
    try:
        assert leaks(1) != set()
    finally:
        object.__setattr__(row, "tenant", before)


@pytest.mark.parametrize("model", ['H100"} 1', "a\nb", "x" * 200, "/etc/passwd", "<script>", "\N{SNOWMAN}"])
def test_a_device_cannot_write_into_the_page(model: str, tmp_path: Path) -> None:
    """What a device or a BMC says of itself is shown only if the catalogue allows it; the rest stays."""
    secrets = Secrets(2)

    def label(row: Metric, known: Guest, name: str) -> str:
        return model if row is gpu.INFO.guest and name == "model" else secrets.label(row, known, name)

    host = TenantHost(tmp_path)
    page = host.text(snapshot(secrets.guests, secrets.value, label))
    assert page.count('\nvm_gpu_info{address="0000:06:00.0",gpu="0"') == len(secrets.guests)
    assert page.count('model=""') == len(secrets.guests) == host.page.left_out["label"]
    assert model not in page
