"""A lane runs one blocking call at a time and can be abandoned; a backoff says when to try again."""

import threading
import time
import weakref

import pytest

from hostcollector.base.errors import LaneBusyError, LaneClosedError, SourceUnavailableError
from hostcollector.base.lanes import Backoff, Lane


def test_a_call_runs_in_the_lanes_own_daemon_thread() -> None:
    """Nothing blocks the caller, and the thread cannot keep the process alive."""
    lane = Lane("probe")
    thread = lane.submit(threading.current_thread).result(timeout=30)
    assert thread.name == "probe"
    assert thread.daemon
    lane.close()


def test_nothing_is_queued_behind_a_call_that_does_not_return() -> None:
    """A second call is refused while the first is in flight, and taken once it has returned."""
    lane = Lane("slow")
    release = threading.Event()
    first = lane.submit(release.wait)
    with pytest.raises(LaneBusyError, match="slow"):
        lane.submit(int)
    release.set()
    assert first.result(timeout=30)
    assert lane.submit(lambda: 7).result(timeout=30) == 7
    lane.close()


def test_what_a_call_raises_is_its_result() -> None:
    """An error ends the call and not the lane."""
    lane = Lane("failing")

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        lane.submit(fail).result(timeout=30)
    assert lane.submit(lambda: 1).result(timeout=30) == 1
    lane.close()


def test_an_attempt_gives_something_else_for_what_does_not_come() -> None:
    """That is so for a call that takes too long, for those after it, and for a source that cannot be read."""
    lane = Lane("attempts")
    release = threading.Event()

    def fail() -> int:
        raise SourceUnavailableError("away")

    def hang() -> int:
        release.wait()
        return 1

    assert lane.attempt(lambda: 1, 2, seconds=5) == 1
    assert lane.attempt(fail, 2, seconds=5) == 2
    assert lane.attempt(hang, 2, seconds=0.01) == 2
    assert lane.attempt(lambda: 1, 2, seconds=5) == 2
    release.set()
    lane.close()
    assert lane.attempt(lambda: 1, 2, seconds=5) == 2


def test_a_lane_does_not_hold_on_to_what_its_last_call_returned() -> None:
    """A collection's samples are not in memory until the next one."""

    class Result:
        pass

    lane = Lane("forgetful")
    result = weakref.ref(lane.submit(Result).result(timeout=30))
    # The lane's thread lets go a moment after the future is done.
    ends_at = time.monotonic() + 20
    while result() is not None:
        assert time.monotonic() < ends_at, "the result is held"
        time.sleep(0.01)
    lane.close()


def test_a_waiter_may_submit_again_the_moment_it_wakes() -> None:
    """The lane is free before the future is done."""
    lane = Lane("quick")
    for _ in range(200):
        assert lane.submit(lambda: 1).result(timeout=30) == 1
    lane.close()


def test_a_lane_that_is_closed_while_it_is_busy_still_makes_its_last_call() -> None:
    """What a call has opened is given back after it, also when no caller waits any more."""
    lane = Lane("leaving")
    release, gone = threading.Event(), threading.Event()
    lane.submit(release.wait)
    lane.close(gone.set)
    assert not gone.is_set()
    release.set()
    assert gone.wait(30)


def test_a_closed_lane_ends_its_thread_and_takes_nothing() -> None:
    """Closing twice is harmless; the thread is gone afterwards."""
    lane = Lane("ending")
    thread = lane.submit(threading.current_thread).result(timeout=30)
    lane.close()
    lane.close()
    thread.join(timeout=30)
    assert not thread.is_alive()
    with pytest.raises(LaneClosedError):
        lane.submit(int)


def test_pauses_double_up_to_the_cap_and_a_success_ends_them() -> None:
    """Failures wait longer and longer; the first success forgets them."""
    now = 0.0
    backoff = Backoff(first=1.0, cap=4.0, clock=lambda: now)
    assert backoff.ready
    pauses = []
    for _ in range(4):
        backoff.failed()
        pauses.append(backoff.pause)
    assert pauses == [1.0, 2.0, 4.0, 4.0]
    assert not backoff.ready
    now = 4.0
    assert backoff.ready
    backoff.failed()
    backoff.succeeded()
    assert backoff.ready
