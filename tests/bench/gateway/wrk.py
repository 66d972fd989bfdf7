"""wrk, a load generator that costs little itself: each connection has one request after the other."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests in a second, and the times of half and of 99 % of them in milliseconds."""

    requests: int
    rate: float
    median: float
    slowest: float


def wrk(url: str, headers: Mapping[str, str], *, connections: int, seconds: float) -> Figures:
    """Send requests for a while. Every answer must have a good status."""
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", *given, url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    assert "Socket errors" not in output, output
    return Figures(
        requests=int(_found(r"(\d+) requests in", output)),
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        median=_time(50, output),
        slowest=_time(99, output),
    )


def _time(part: int, output: str) -> float:
    number, unit = re.findall(rf"^\s+{part}%\s+([\d.]+)(\w+)$", output, re.MULTILINE)[0]
    return float(number) * _MILLISECONDS[unit]


def _found(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    assert found is not None, output
    return found[1]
