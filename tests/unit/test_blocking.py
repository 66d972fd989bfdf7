"""The guard of the event loop guards."""

import os
import subprocess
import sys
from pathlib import Path

from tests.places import REPOSITORY

PROGRAM = """
import asyncio, contextlib, time

def test_sleeps_in_the_loop():
    async def sleep():
        with contextlib.suppress(Exception):
            time.sleep(0.001)
    asyncio.run(sleep())

def test_sleeps_outside():
    time.sleep(0.001)
"""


def test_a_blocking_call_fails_the_test_even_if_its_error_is_swallowed(tmp_path: Path) -> None:
    """A test that sleeps in an event loop fails and names the call; one that sleeps outside passes."""
    root = REPOSITORY
    program = tmp_path / "test_program.py"
    program.write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.blocking", "-p", "no:cacheprovider", str(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "blocking call in the event loop: time.sleep" in run.stdout
    assert "2 passed, 1 error" in run.stdout
