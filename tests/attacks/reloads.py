"""An operator, or a tool of his, who has the configuration read again and again."""

import os
import signal
from contextlib import suppress

from tests.attacks.victim import Clock, Victim


def reloads(victim: Victim, clock: Clock) -> None:
    """Send SIGHUP once a second, and ask for a page after each."""
    for _ in clock:
        os.kill(victim.pid, signal.SIGHUP)
        with suppress(OSError), victim.open(clock.address()) as client:
            client.sendall(victim.request("/metrics", "Connection: close"))
            while client.recv(65536):
                continue
        clock.sleep(1.0)
