"""A wall clock for collectors that a test sets: to see the end of an hour without waiting for it."""

import struct
import time
from pathlib import Path

FOLDER = Path(__file__).parent / "set_clock"


class WallClock:
    """The clock of collectors that run within `within`; the machine's own clock is not touched."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self._difference = 0.0
        self.add(0.0)

    @property
    def within(self) -> tuple[str, ...]:
        """The command under which a collector has this clock."""
        return ("env", f"PYTHONPATH={FOLDER}:{Path.cwd()}", f"HOSTCOLLECTOR_CLOCK={self._file}")

    @property
    def now(self) -> float:
        """The clock's time, as Unix time."""
        return time.time() + self._difference

    def add(self, seconds: float) -> None:
        """Set the clock by so much, also while a collector runs."""
        self._difference += seconds
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=d", self._difference))

    def set_before_the_hour(self, seconds: float) -> float:
        """Set the clock so that an hour begins in so many seconds; return when it does by this clock."""
        self.add(3600 - seconds - self.now % 3600)
        return self.now + seconds

    def wait_until(self, moment: float) -> None:
        """Wait until the clock shows this."""
        time.sleep(max(0.0, moment - self.now))
