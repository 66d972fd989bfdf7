"""The `infiniband` section: partitions and their members."""

from collections.abc import Mapping

import yaml

from hostcollector.base import infiniband as ib_names
from hostcollector.config import checks as values
from hostcollector.config.document import Place, UnfitError
from hostcollector.config.sections import Read, known, leaf, list_of, repeated
from hostcollector.config.settings import InfinibandSettings, PartitionSettings

PARTITION: Mapping[str, Read] = {
    "pkey": leaf(values.partition),
    "name": leaf(values.text),
    "full": list_of(leaf(values.port_guid)),
    "limited": list_of(leaf(values.port_guid)),
}


def infiniband(node: yaml.Node, place: Place) -> InfinibandSettings:
    """Return the section's settings."""
    return InfinibandSettings(**known(node, place, {"partitions": _partitions}))


def _partitions(node: yaml.Node, place: Place) -> tuple[PartitionSettings | None, ...]:
    found: tuple[PartitionSettings | None, ...] = list_of(_partition)(node, place)
    if twice := repeated(each.pkey for each in found if each):
        raise UnfitError(f"given twice: {', '.join(map(ib_names.pkey, twice))}")
    return found


def _partition(node: yaml.Node, place: Place) -> PartitionSettings | None:
    noted = len(place.problems)
    found = known(node, place, PARTITION)
    if len(place.problems) > noted:
        return None
    if "pkey" not in found:
        raise UnfitError("pkey is missing: the partition's P_Key")
    both = sorted(set(found.get("full", ())) & set(found.get("limited", ())))
    if both:
        raise UnfitError(f"both a full and a limited member: {', '.join(both)}")
    return PartitionSettings(**found)
