"""Fuzzes one target after the other, each in a process of its own: ``python -m tests.fuzz SECONDS [TARGET]``.

With atheris the inputs are guided by coverage. Where it is not installed, Hypothesis draws many more of them
than in the ordinary tests.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence

from tests.fuzz.targets import TARGETS


def main(seconds: int, names: Sequence[str]) -> int:
    """Run the targets; 1 when one of them raised something."""
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: Hypothesis draws the inputs", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "--timeout=0", "tests/fuzz/test_targets.py"]
        environment = {**os.environ, "HYPOTHESIS_PROFILE": "long"}
        return subprocess.run(command, env=environment, check=False).returncode
    failed = []
    for name in names:
        print(f"{name}: {seconds} s", flush=True)
        child = subprocess.run([sys.executable, "-m", "tests.fuzz.guided", name, str(seconds)], check=False)
        if child.returncode:
            failed.append(name)
    print(f"raised something: {', '.join(failed)}" if failed else "nothing was raised")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60, sys.argv[2:] or list(TARGETS)))
