"""Runs pytest with these arguments; the few tests that fail run once more, alone, when all others have ended.

Laboratory tests share two cores with each other: a guest may be starved for longer than a test allows. A
test that fails alone too has failed. One that passes alone is named on the last line, which begins with
ALONE: a test that often needs its second run is seen. Many failures have a common cause: no second run.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

PYTEST = (sys.executable, "-m", "pytest")
ALONE = "passed only alone: "
MOST = 10
"""The most tests that are run again."""
TESTS_FAILED = 1
"""pytest's status when tests ran and some failed."""


def main(arguments: list[str]) -> int:
    """Run pytest, and what failed again; return the status of the last run."""
    with TemporaryDirectory(prefix="hostcollector-failed-") as cache:
        status = subprocess.call([*PYTEST, "-o", f"cache_dir={cache}", *arguments])
        failed = _failed(Path(cache))
    if status != TESTS_FAILED or not 0 < len(failed) <= MOST:
        return status
    print("once more, alone:", *failed, sep="\n", flush=True)
    status = subprocess.call([*PYTEST, *failed])
    if status == 0:
        print(ALONE, ", ".join(failed), sep="", flush=True)
    return status


def _failed(cache: Path) -> list[str]:
    """Return the ids of the tests that failed, from the file that pytest's --last-failed reads."""
    try:
        return sorted(json.loads((cache / "v/cache/lastfailed").read_text()))
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
