"""One attack in a process of its own: ``python -m tests.attacks NAME SECONDS VICTIM``, the last as JSON."""

import json
import sys

from tests.attacks.kinds import named
from tests.attacks.victim import Clock, Victim

if __name__ == "__main__":
    name, seconds, victim = sys.argv[1:]
    named(name).run(Victim(**json.loads(victim)), Clock(float(seconds)))
