"""Fails every test in which code that runs in an event loop makes a blocking call."""

import traceback
from collections.abc import Iterator

import blockbuster
import pytest
from blockbuster import blockbuster as machinery


@pytest.fixture(autouse=True)
def event_loop_never_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Note each blocking call in an event loop and fail the test for it, also where the error was caught."""
    calls: list[str] = []

    class NotedBlockingError(blockbuster.BlockingError):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            calls.append(f"{name}\n{''.join(traceback.format_stack(limit=12))}")

    monkeypatch.setattr(machinery, "BlockingError", NotedBlockingError)
    with blockbuster.blockbuster_ctx() as guard:
        # Coverage's tracer locks its data wherever it is called from; that is not the product's doing.
        guard.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", {"lock_data"})
        yield
    if calls:
        pytest.fail("blocking call in the event loop: " + "\n".join(calls), pytrace=False)
