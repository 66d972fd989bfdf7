"""The attacks at full length, as a table: memory over time, probes answered, scrapes served.

``make attacks``; ATTACK_SECONDS is the length of each one (180), ATTACKS a part of the names of those to run,
TREE another checkout whose collector is attacked instead. PROGRAM=gateway attacks the gateway.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.attacks.beside import Account, Answer, under
from tests.attacks.daemon import attacked
from tests.attacks.gateway import attacked_gateway
from tests.attacks.group import MIB
from tests.attacks.kinds import ATTACKS
from tests.lab import laboratory
from tests.lab.trees import TREE

SECONDS = float(os.environ.get("ATTACK_SECONDS", "180"))
WANTED = os.environ.get("ATTACKS", "")
PROGRAMS = {"daemon": attacked, "gateway": attacked_gateway}
PROGRAM = os.environ.get("PROGRAM", "daemon")
BETWEEN_SCRAPES, REST = 5.0, 12.0
HEADINGS = (
    "| attack | resident MiB at 0, 1/4, 1/2, 3/4, end, 12 s later | MiB/min in the last two thirds "
    "| peak of the group | probes answered (median, longest) | scrapes whole (median, longest) | after it |\n"
    "|---|---|---|---|---|---|---|"
)


def main() -> int:
    """Run them and print the table; 1 when a good client was not served or the daemon was killed."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    print(f"{SECONDS:g} s each, the collector of {TREE}\n\n{HEADINGS}", flush=True)
    wrong = False
    for attack in ATTACKS:
        if WANTED not in attack.name:
            continue
        with (
            tempfile.TemporaryDirectory() as directory,
            PROGRAMS[PROGRAM](attack.page, Path(directory)) as daemon,
        ):
            account = under(attack, daemon, SECONDS, interval=BETWEEN_SCRAPES, rest=REST)
        print(row(account), flush=True)
        wrong |= bool(account.killed) or len(account.served) < len(account.scrapes)
    return int(wrong)


def row(account: Account) -> str:
    """Return one line of the table."""
    curve = " ".join(f"{resident / MIB:.0f}" for resident in _curve(account))
    killed = ", KILLED" if account.killed else ""
    after = account.after
    end = f"{after.status}, {after.series} of {account.before.series} series" if after else "nothing"
    faults = f"; instead: {'; '.join(account.faults[:2])}" if account.faults else ""
    return (
        f"| {account.attack} | {curve} | {account.slope * 60 / MIB:+.1f} | {account.peak / MIB:.0f}{killed} "
        f"| {_kept(account.answered, account.probes)} | {_kept(account.served, account.scrapes)} "
        f"| {end}{faults} |"
    )


def _curve(account: Account) -> list[int]:
    during, last = account.memory[:-1], account.memory[-1]
    places = [round(quarter * (len(during) - 1) / 4) for quarter in range(5)]
    return [*(during[place].resident for place in places), last.resident]


def _kept(good: Sequence[Answer], answers: Sequence[Answer]) -> str:
    times = [answer.seconds for answer in good]
    took = f" ({statistics.median(times) * 1e3:.0f} ms, {max(times):.1f} s)" if times else ""
    return f"{len(good)} of {len(answers)}{took}"


if __name__ == "__main__":
    sys.exit(main())
