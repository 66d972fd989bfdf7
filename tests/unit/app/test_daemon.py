"""The allocator takes its settings on the systems that the daemon runs on."""

import subprocess
import sys


def test_glibc_takes_the_settings() -> None:
    """In a process of its own, so that the tests' allocator stays as it is."""
    code = "from hostcollector.app.daemon import share_one_arena; print(share_one_arena())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
