"""One target under atheris: ``python -m tests.fuzz.guided TARGET SECONDS``."""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hostcollector"]):
    from tests.fuzz.targets import TARGETS

LONGEST_INPUT = 4096
ARTEFACTS = Path(__file__).parents[2] / ".lab"
"""Where the input that raised something is left."""


def main(name: str, seconds: str) -> None:
    """Fuzz until the time is over; libFuzzer ends the process, with an error when something was raised."""
    target = TARGETS[name]
    ARTEFACTS.mkdir(exist_ok=True)
    with contextlib.ExitStack() as left:
        corpus = Path(left.enter_context(tempfile.TemporaryDirectory()))
        for number, seed in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        limits = (f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}")
        shown = ("-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={ARTEFACTS}/")
        atheris.Setup([sys.argv[0], str(corpus), *limits, *shown], target.feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
