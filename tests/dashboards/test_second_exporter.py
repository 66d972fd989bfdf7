"""Beside another exporter of the same names, as while one replaces the other, every board is right."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards.coverage import over, pages
from tests.dashboards.execution import asked, result
from tests.dashboards.recorded import by_another_exporter
from tests.lab.process import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

_LAST = (
    "instance:hostcollector_memory_unpromised_bytes:sum",
    "instance:hostcollector_gpus_free:count",
    "tenant:libvirt_domain_gpu_energy_joules:sum_rate5m",
    "interface:libvirt_domain_network_limit_usage:ratio_rate5m",
)
"""Of each group of recordings one that is made of others: once these are there, so are all."""
_RATE_OF_NOW = 0.05
"""Recordings of two servers are evaluated up to a second apart: rates differ by less than this share."""

Answers = dict[frozenset[tuple[str, str]], float]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Give a Prometheus with the collector alone, and one with the same guests and names in another job."""
    alone, beside = (tmp_path_factory.mktemp(name) for name in ("alone", "beside"))
    recordings, now = pages(alone), time.time()
    others = [by_another_exporter(recording) for recording in recordings]
    with over(alone, recordings, now) as first, over(beside, [*recordings, *others], now) as second:
        for url in (first, second):
            for name in _LAST:
                until(lambda url=url, name=name: bool(result(url, name)), 60.0, name)  # type: ignore[misc]
        yield first, second


def test_no_answer_changes(servers: tuple[str, str]) -> None:
    """Every panel, variable and annotation has the same series and values, with the other job or without."""
    alone, beside = servers
    assert result(beside, 'count(up{job="libvirt"})')[0]["value"][1] == "2"
    at = time.time()
    different = []
    questions = zip(*(asked(url, interval="5m", span=3600, at=at) for url in servers), strict=True)
    for (question, expr), (_, expr_beside) in questions:
        if "ALERTS" in expr:
            # Which alerts fire by now differs between servers; none may be the other job's.
            found = _answers(beside, expr_beside, at)
            assert not any("libvirt" in dict(labels).values() for labels in found), str(question)
        elif not _same(_answers(alone, expr, at), _answers(beside, expr_beside, at)):
            different.append(str(question))
    assert different == []


def _answers(url: str, expr: str, at: float) -> Answers:
    return {_labels(series): float(series["value"][1]) for series in result(url, expr, at)}


def _labels(series: dict[str, Any]) -> frozenset[tuple[str, str]]:
    return frozenset(series["metric"].items())


def _same(one: Answers, other: Answers) -> bool:
    """Return whether the series are the same and their values about equal; 0 and infinity exactly."""
    return one.keys() == other.keys() and all(
        value == other[labels] or abs(value - other[labels]) <= _RATE_OF_NOW * abs(value) or value != value  # noqa: PLR0124  a quotient of zeros
        for labels, value in one.items()
    )
