"""What was read of one process's threads."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hostcollector.base.model import Sample
from hostcollector.sources.procfs.duties import Role


class Seen(NamedTuple):
    """The threads' series, their roles, and those that cannot be read, by their directories.

    `unplugged` is how many vCPUs were there before and are not now. `one_for_all` says that one thread runs
    all vCPUs.
    """

    samples: list[Sample]
    roles: Sequence[Role]
    unread: Mapping[str, Exception]
    unplugged: int
    one_for_all: bool
