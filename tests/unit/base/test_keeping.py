"""Answers that were read together do not end together."""

from hostcollector.base.keeping import kept_seconds


def test_answers_are_kept_for_half_of_the_time_to_all_of_it() -> None:
    """Each key has its own time, whatever bytes its path has; a hundred keys spread over the whole range."""
    keys = [f"/proc/{pid}/status" for pid in range(1000, 1100)] + ["", "\udcff"]
    times = [kept_seconds(60.0, key) for key in keys]
    assert times == [kept_seconds(60.0, key) for key in keys]
    assert 30.0 <= min(times) < 35.0
    assert 55.0 < max(times) <= 60.0


def test_guests_with_similar_names_are_spread_too() -> None:
    """Of twenty guests whose groups differ in digits some end in each third of the time, on most hosts."""
    clustered = 0
    for host in range(1000):
        groups = (f"/{host}/machine-qemu\\x2d{number}\\x2dweb{number}.scope" for number in range(20))
        clustered += len({int((kept_seconds(60.0, group) - 30.0) / 10.0) for group in groups}) < 3
    assert clustered < 5
