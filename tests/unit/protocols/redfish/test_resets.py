"""Resets of a GPU: NVIDIA's ProcessorResetMetrics, as a report and as a resource of its own."""

import pytest

from tests.fakes.bmc.baseboard import REPORTS, RESETS, SYSTEM, Baseboard, Document
from tests.fakes.bmc.machine import members
from tests.unit.protocols.redfish.answering import Answered, answer_to, series

FIRST = f"{SYSTEM}/Processors/GPU_SXM_1"
RESOURCE = f"{FIRST}/Oem/Nvidia/ProcessorResetMetrics"


class WithoutReport(Baseboard):
    """A baseboard whose firmware has the resource and no report of it."""

    def _found(self, path: str) -> Document | None:
        found = super()._found(path)
        if path == REPORTS and found is not None:
            others = [one["@odata.id"] for one in found["Members"] if one["@odata.id"] != RESETS]
            return members(*others)
        return None if path == RESETS else found


def test_the_report_of_resets() -> None:
    """Every kind is counted by phase, and the last kind is a number; the resources are not requested."""
    answered = Answered(Baseboard(count=2, links=1))
    shown = series(answered.answer(), "GPU_SXM_1")
    assert shown["resets", ("pf_flr", "entry")] == 2
    assert shown["resets", ("conventional", "exit")] == 3
    assert shown["resets", ("fundamental", "entry")] == 1
    assert shown["resets", ("irot", "exit")] == 1
    assert ("resets", ("irot", "entry")) not in shown
    assert shown["last_reset_id", ()] == 4.0
    assert answered.asked[RESOURCE] == 0


def test_resets_without_a_report() -> None:
    """Where no report has them, each GPU's resource is requested with its other resources."""
    answered = Answered(WithoutReport(count=2, links=1))
    shown = series(answered.answer(), "GPU_SXM_1")
    assert shown["resets", ("pf_flr", "exit")] == 2
    assert answered.asked[RESOURCE] == 1


def test_a_report_without_the_link() -> None:
    """A report of the resets is understood also where the processor has no link to the resource."""
    board = Baseboard(count=2, links=1)
    processor = board.document(FIRST)
    assert processor is not None
    shown = series(answer_to(board, {FIRST: {**processor, "Oem": {}}}), "GPU_SXM_1")
    assert shown["resets", ("conventional", "entry")] == 3


@pytest.mark.parametrize(
    ("word", "shown", "malformed"),
    [
        ("Conventional", 1.0, 0),
        ("Fundamental", 2.0, 0),
        ("IRoT", 3.0, 0),
        ("Warm", None, 1),
        ("nan", None, 0),
    ],
)
def test_words_of_the_last_reset(word: str, shown: float | None, malformed: int) -> None:
    """The kind is one of four words; another one is counted as malformed and has no series."""
    board = Baseboard(count=1, links=1)
    board.gpus[0].last_reset = word
    answer = answer_to(board)
    assert series(answer, "GPU_SXM_1").get(("last_reset_id", ())) == shown
    assert answer.counts.malformed == malformed
