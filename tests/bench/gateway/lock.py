"""The store's lock broken while the gateway serves: how long PromQL goes on."""

import tempfile
import time
from pathlib import Path

from tests.gateway.served import served
from tests.gateway.test_faults import asked, fake_store, good, unlocked
from tests.lab.process import until


def main() -> None:
    """Print the seconds from the break to the first refusal, and from the repair to the first answer."""
    with (
        tempfile.TemporaryDirectory() as name,
        fake_store() as store,
        served(store.url, Path(name) / "gateway", workers=1) as gateway,
    ):
        until(lambda: asked(gateway)[0] == 200, 30.0, "an answer")
        store.behaviour = unlocked
        began = time.monotonic()
        until(lambda: asked(gateway)[0] == 503, 120.0, "the end of PromQL")
        stopped = time.monotonic() - began
        store.behaviour = good
        began = time.monotonic()
        until(lambda: asked(gateway)[0] == 200, 60.0, "PromQL")
        back = time.monotonic() - began
    print(
        f"\nA lock that breaks stops PromQL after {stopped:.1f} s; the repair brings it back in {back:.1f} s."
    )
