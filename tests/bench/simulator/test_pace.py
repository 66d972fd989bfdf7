"""Rules whose time runs faster: what is a duration, and what only looks like one."""

import pytest

from tests.bench.simulator.pace import hurried, shorter


@pytest.mark.parametrize(
    ("duration", "in_a_hurry"), [("5m", "30000ms"), ("1h30m", "540000ms"), ("15s", "1500ms"), ("0s", "0s")]
)
def test_a_duration_is_divided(duration: str, in_a_hurry: str) -> None:
    """Units are added up; zero stays zero, as Alertmanager's group_wait may be."""
    assert shorter(duration, 10) == in_a_hurry


def test_every_duration_of_a_rule_and_nothing_else_is_divided() -> None:
    """Ranges, subqueries, offsets and waiting times are; labels, thresholds and texts are not."""
    rule = {
        "alert": "A",
        "expr": 'rate(a{le="5m"}[5m]) > 300 and max_over_time(b[1h:1m] offset 2m) > time() - 900',
        "for": "2m",
        "keep_firing_for": "10m",
        "annotations": {"summary": "for 5m"},
    }
    assert hurried({"groups": [{"interval": "1m", "rules": [rule]}]}, 60) == {
        "groups": [
            {
                "interval": "1000ms",
                "rules": [
                    {
                        **rule,
                        "expr": 'rate(a{le="5m"}[5000ms]) > 300 and '
                        "max_over_time(b[60000ms:1000ms] offset 2000ms) > time() - 900",
                        "for": "2000ms",
                        "keep_firing_for": "10000ms",
                    }
                ],
            }
        ]
    }
