"""The series of tenant a, and those that a must never notice: tenant b's and the infrastructure's.

Names, labels and values of b are random in each run, so that any trace of them can be searched for.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.gateway.stores import Sample

STEP = 60
MINUTES = 60
FAR = 1e6
"""Values of b are so far from those of a that any of them in a sum shows."""

METRICS = (
    ("vm_cpu_seconds_total", "vcpu", True),
    ("vm_disk_read_bytes_total", "disk", True),
    ("vm_network_receive_bytes_total", "nic", True),
    ("vm_memory_available_bytes", "", False),
    ("vm_state", "state", False),
    ("vm_events_total", "event", True),
    ("vm_gpu_power_watts", "gpu", False),
)
"""Name, one more label, whether it is a counter."""

VMS = ("7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55", "0c1d2e3f-0000-4000-8000-00000000000a")


@dataclass(frozen=True, slots=True)
class World:
    """The samples of a, those of everything else, and the words that only the latter contain."""

    own: list[Sample]
    others: list[Sample]
    secrets: frozenset[str]
    end: int
    """The time of the last samples, in Unix seconds."""

    @property
    def moment(self) -> datetime:
        """The time of the last samples."""
        return datetime.fromtimestamp(self.end, UTC)

    @property
    def all(self) -> list[Sample]:
        """Every sample."""
        return [*self.own, *self.others]


def world(seed: int, end: int) -> World:
    """Return a world with samples until `end`."""
    chance = random.Random(seed)
    end -= end % STEP
    own = [sample for vm in VMS for sample in _vm(chance, "a", vm, end, 1.0)]
    words = {f"s{chance.getrandbits(64):016x}" for _ in range(4)}
    secret_name, secret_label, host, job = sorted(words)
    others = [
        sample
        for vm in (VMS[0], f"s{chance.getrandbits(64):016x}")
        for sample in _vm(chance, "b", vm, end, FAR)
    ]
    words |= {dict(sample.labels)["vm"] for sample in others} - {VMS[0]}
    for minute in range(MINUTES):
        at = end - minute * STEP
        value = FAR * chance.uniform(2, 9)
        others += [
            Sample(f"vm_{secret_name}", (("tenant", "b"), (secret_label, "x")), value, at),
            Sample("secret", (("tenant", "b"), ("vm", VMS[0])), value, at),
            Sample("up", (("instance", host), ("job", job)), 1.0, at),
            Sample("vm_cpu_seconds_total", (("instance", host), ("job", job)), value, at),
        ]
    return World(own, others, frozenset(words), end)


def _vm(chance: random.Random, tenant: str, vm: str, end: int, scale: float) -> list[Sample]:
    samples = []
    for name, label, is_counter in METRICS:
        for number in range(2 if label else 1):
            text = ("running", "paused")[number] if label == "state" else str(number)
            labels = (("tenant", tenant), ("vm", vm), *(((label, text),) if label else ()))
            value = chance.uniform(1, 1000) * scale
            for minute in range(MINUTES, -1, -1):
                value = (
                    value + chance.uniform(0, 50) * scale if is_counter else chance.uniform(1, 1000) * scale
                )
                samples.append(Sample(name, labels, round(value, 3), end - minute * STEP))
    return samples
