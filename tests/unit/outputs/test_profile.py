"""The profile says what each stage of a collection takes, and costs nothing when it is off."""

import threading

import pytest

from hostcollector.app.cli import main
from hostcollector.base.model import Snapshot
from hostcollector.base.stopwatch import Stopwatch, unmeasured
from hostcollector.outputs.profile import ROUND, measure, table


def test_a_stage_that_fails_is_measured_all_the_same() -> None:
    """The time is spent whether the stage succeeds or not, and the error is not swallowed."""
    stopwatch = Stopwatch()
    with pytest.raises(ZeroDivisionError), stopwatch.stage("decode"):
        raise ZeroDivisionError
    (lap,) = stopwatch.take()
    assert lap.stage == "decode"
    assert lap.seconds > 0
    assert stopwatch.take() == []


def test_stages_of_several_threads_are_kept_side_by_side() -> None:
    """The calls of a collection run in threads of their own, and none loses another's lap."""
    stopwatch = Stopwatch()
    everyone_in = threading.Barrier(4)

    def lap() -> None:
        with stopwatch.stage("calls"):
            everyone_in.wait(10)

    threads = [threading.Thread(target=lap) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.stage for each in stopwatch.take()] == ["calls"] * 4


def test_what_is_not_measured_runs_as_it_would() -> None:
    """The block that replaces it may be entered any number of times at once, and hides no error."""
    with pytest.raises(ZeroDivisionError), unmeasured("outer"), unmeasured("inner"):
        print(1 // 0)


def test_a_profile_has_a_line_for_each_stage_and_the_whole() -> None:
    """Laps of one round are added up; a stage that not every round has is there too."""
    stopwatch = Stopwatch()
    rounds = iter(range(10))

    def collect() -> Snapshot:
        for name in ("calls", "calls", "sweep") if next(rounds) == 3 else ("calls", "calls"):
            with stopwatch.stage(name):
                pass
        return Snapshot(taken_at=0.0, families=())

    costs = {cost.stage: cost for cost in measure(collect, stopwatch, rounds=5)}
    assert list(costs) == ["calls", "encode", "gzip", "sweep", ROUND]
    assert (costs["calls"].laps, costs["sweep"].laps, costs["encode"].laps) == (2, 1, 1)
    assert costs[ROUND].seconds >= costs["calls"].seconds
    assert next(rounds) == 6
    heading, *lines = table(costs.values())
    assert heading.split() == ["stage", "laps", "ms", "CPU", "ms"]
    assert [line.split()[0] for line in lines] == list(costs)


def test_the_rounds_of_a_profile_have_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    """A number that makes no sense is wrong use, said in words."""
    for rounds in ("0", "-1", "many"):
        with pytest.raises(SystemExit):
            main(["collect", "--profile", f"--profile.rounds={rounds}"])
        assert "--profile.rounds" in capsys.readouterr().err
