"""Runs targets of the Makefile in this order: ``targets.py TARGET...``; those joined by ``+`` side by side.

What a target writes goes to ``.lab/targets/TARGET.log`` as it comes, and is printed in one piece when the
target ends. The last lines are the seconds of each target. The status is 1 if a target has failed; the others
still run to their end.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from twice import ALONE

REPOSITORY = Path(__file__).parents[1]
LOGS = REPOSITORY / ".lab/targets"
RULE = "=" * 100
_printing = Lock()


@dataclass(frozen=True, slots=True)
class Ended:
    """A target that has ended, with its exit status and how long it took."""

    target: str
    status: int
    seconds: float
    remark: str = ""

    def __str__(self) -> str:
        """Return it as a line of the table."""
        result = "FAILED" if self.status else "passed"
        return f"{self.target:14} {self.seconds:6.0f} s   {result}{self.remark}"


def main(steps: list[str]) -> int:
    """Run the targets, print what they write and the table; return the exit status."""
    LOGS.mkdir(parents=True, exist_ok=True)
    began, ended = time.monotonic(), list[Ended]()
    for step in steps:
        targets = step.split("+")
        with ThreadPoolExecutor(max_workers=len(targets)) as pool:
            ended += pool.map(_run, targets)
    print(RULE, *ended, f"{'together':14} {time.monotonic() - began:6.0f} s", sep="\n")
    return int(any(target.status for target in ended))


def _run(target: str) -> Ended:
    log = LOGS / f"{target}.log"
    began = time.monotonic()
    with log.open("wb") as file:
        command = [os.environ.get("MAKE", "make"), "--no-print-directory", target]
        done = subprocess.run(
            command,
            check=False,
            cwd=REPOSITORY,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    output = log.read_text(errors="replace")
    remarks = [f", {line}" for line in output.splitlines() if line.startswith(ALONE)]
    ended = Ended(target, done.returncode, time.monotonic() - began, "".join(remarks))
    with _printing:
        print(RULE, f"make {ended}", output, sep="\n", flush=True)
    return ended


def _environment() -> dict[str, str]:
    """Return the environment, but Python keeps what it compiles: without it each pytest needs 10 s more."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
