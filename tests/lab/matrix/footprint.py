"""What a process holds, and how much more of it counts as a leak."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Footprint:
    """Threads, open file descriptors and resident bytes of a process."""

    threads: int
    descriptors: int
    memory: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Measure the process."""
        status = Path(f"/proc/{pid}/status").read_text()
        kibibytes, threads = (
            int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0]) for name in ("VmRSS", "Threads")
        )
        return cls(threads, len(list(Path(f"/proc/{pid}/fd").iterdir())), kibibytes * 1024)

    def growth_over(self, before: "Footprint", bound: "Footprint") -> list[str]:
        """Return a sentence for each quantity that has grown by more than `bound`."""
        grown = (
            ("threads", before.threads, self.threads, bound.threads),
            ("file descriptors", before.descriptors, self.descriptors, bound.descriptors),
            ("MiB", before.memory // MIB, self.memory // MIB, bound.memory // MIB),
        )
        return [
            f"from {then} to {now} {what}, more than {allowed} more"
            for what, then, now, allowed in grown
            if now - then > allowed
        ]


BOUND = Footprint(threads=6, descriptors=12, memory=16 * MIB)
"""What a row may leave behind, however many rounds it has: spare connections of the monitor lane that are
kept, and memory that the allocator keeps."""
