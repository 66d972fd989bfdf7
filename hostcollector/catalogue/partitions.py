"""Rows about the manager of the InfiniBand fabric; the guests' memberships are with their VFs."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import DURATION, number_of
from hostcollector.catalogue.rows import EXPERIMENTAL, gauge, info

_gauge = partial(gauge, source="ufm", scope=Scope.HOST)

UFM_AGE = _gauge(
    name="hostcollector_ufm_age_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long ago UFM was last asked something that it answered.",
)
UFM_PARTITIONS = _gauge(
    name="hostcollector_ufm_partitions",
    can_be=number_of(2**15),
    help="Partitions of the whole fabric.",
)
UFM_INFO = info(
    name="hostcollector_ufm_info",
    source="ufm",
    scope=Scope.HOST,
    labels=("version",),
    help="The fabric's manager.",
    stability=EXPERIMENTAL,
)
