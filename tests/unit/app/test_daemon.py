"""The allocator and the garbage collector take their settings on the systems that the daemon runs on."""

import subprocess
import sys


def test_glibc_takes_the_settings() -> None:
    """In a process of its own, so that the tests' allocator stays as it is."""
    code = "from hostcollector.app.daemon import share_one_arena; print(share_one_arena())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_cycles_are_looked_for_seldom_and_still_found() -> None:
    """In a process of its own: a cycle is gone once enough objects are made."""
    code = (
        "import weakref; from hostcollector.app.daemon import NEW_OBJECTS, collect_garbage_seldom\n"
        "class Node: pass\n"
        "collect_garbage_seldom(); node = Node(); node.self = node; seen = weakref.ref(node); del node\n"
        "print(seen() is None); kept = [[] for _ in range(NEW_OBJECTS + 1)]; print(seen() is None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue\n"
