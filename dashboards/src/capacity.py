"""The board that answers: how much room is left, and how many guests of a size fit."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Input, Query, Row, Table, Target, graph, number
from dashboards.src.queries import NAMES
from dashboards.src.variables import Scope

_KEY = "by (region, availability_zone, instance)"
_VCPUS = "instance:libvirt_domain_info_virtual_cpus:sum{HOST}"
_CPUS = "hostcollector_host_cpus_online{HOST}"
_MEMORY = "instance:hostcollector_memory_unpromised_bytes:sum"
_GPUS = "instance:hostcollector_gpus_free:count{HOST}"

# A host without guests has no sum of vCPUs, one without huge pages no sum of them, one without free GPUs no count.
_NONE = f"0 * max {_KEY} ({_CPUS})"
_FREE_VCPUS = f"clamp_min($cpu_ratio * max {_KEY} ({_CPUS}) - (max {_KEY} ({_VCPUS}) or {_NONE}), 0)"
_FREE_MEMORY = f'(clamp_min(sum {_KEY} ({_MEMORY}{{HOST, pages=~"$pages"}}), 0) or {_NONE})'
_FREE_GPUS = f"(sum {_KEY} ({_GPUS}) or {_NONE})"


def _fitting(free: str, needed: str, limit: str) -> str:
    """Return how many guests this resource is enough for; a guest that needs none of it is not limited by it."""
    return f'label_replace(floor({free} / ({needed})), "limit", "{limit}", "", "")'


_EACH = (
    _fitting(_FREE_VCPUS, "$vcpus", "vCPUs"),
    _fitting(_FREE_MEMORY, "$memory_gib * 2 ^ 30", "memory"),
    _fitting(_FREE_GPUS, "$gpus", "GPUs"),
)
# `min` takes no notice of 0 / 0, and x / 0 is infinite.
_FIT = f"min {_KEY} ({' or '.join(_EACH)})"

_ROOM = Row(
    title="What is left",
    panels=(
        number(
            "Guests of this size that fit",
            "How many guests of the size above (vCPUs, memory, GPUs) the chosen hypervisors have room for.",
            f"sum({_FIT})",
            empty="no hypervisor",
        ),
        number(
            "Free vCPUs",
            "vCPUs that can be given out at the ratio above.",
            f"sum({_FREE_VCPUS})",
            empty="no hypervisor",
        ),
        number(
            "Memory not promised",
            "Memory in normal pages beside what guests may use at most. Bad: below 0, guests may be swapped out.",
            f'sum({_MEMORY}{{HOST, pages="normal"}})',
            unit="bytes",
            bad=0,
            low_is_bad=True,
            empty="no hypervisor",
        ),
        number(
            "Free huge pages",
            "Memory in huge pages that no guest has.",
            f'sum({_MEMORY}{{HOST, pages="huge"}})',
            unit="bytes",
            empty="none reserved",
        ),
        number("Free GPUs", "GPUs for guests that none has.", f"sum({_GPUS}) or vector(0)"),
        number(
            "Hypervisors with room",
            "Hypervisors on which a guest of this size fits.",
            f"count({_FIT} >= 1) or vector(0)",
        ),
    ),
)
_ZONES = Row(
    title="By zone",
    panels=(
        Table(
            title="Zones",
            description="What is left in each zone. Bad: a zone in which no guest of this size fits.",
            columns=(
                Column("Region", "region"),
                Column("Zone", "availability_zone"),
                Column(
                    "Guests that fit",
                    expr=f"sum by (region, availability_zone) ({_FIT})",
                    bad=1,
                    low_is_bad=True,
                ),
                Column("Free vCPUs", expr=f"sum by (region, availability_zone) ({_FREE_VCPUS})"),
                Column(
                    "Free memory", expr=f"sum by (region, availability_zone) ({_FREE_MEMORY})", unit="bytes"
                ),
                Column("Free GPUs", expr=f"sum by (region, availability_zone) ({_FREE_GPUS})"),
            ),
            sort="Guests that fit",
            ascending=True,
            width=12,
        ),
        Table(
            title="GPUs by model",
            description="GPUs of each model, by how they are used: passthrough, vgpu, mig-vgpu or host. Bad: none left.",
            columns=(
                Column("Model", "model"),
                Column("Mode", "mode"),
                Column("GPUs", expr="sum by (model, mode) (model:hostcollector_gpus:count{FLEET})"),
            ),
            sort="GPUs",
            width=12,
            empty="no GPU",
        ),
        graph(
            "vCPUs given out",
            "vCPUs of the guests for each physical CPU, by zone. Bad: above the planned ratio.",
            Query(
                "sum by (region, availability_zone) (instance:libvirt_domain_info_virtual_cpus:sum{HOST})"
                " / sum by (region, availability_zone) (hostcollector_host_cpus_online{HOST})",
                "{{region}} {{availability_zone}}",
            ),
            decimals=2,
        ),
        graph(
            "Memory not promised",
            "Memory that no guest may use, by zone and pages. Bad: below 0 for normal pages.",
            Query(
                f"sum by (region, availability_zone, pages) ({_MEMORY}{{HOST}})",
                "{{region}} {{availability_zone}} {{pages}}",
            ),
            unit="bytes",
        ),
    ),
)
_SIZE = f"on (job, instance, uuid) group_left (flavor) {NAMES}{{HOST, flavor!=''}}"
_HOSTS = Row(
    title="Hypervisors and flavours",
    panels=(
        Table(
            title="Room by hypervisor",
            description="What each hypervisor has left, and how many guests of this size fit. Bad: 0.",
            columns=(
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Region", "region"),
                Column("Zone", "availability_zone"),
                Column("Guests that fit", expr=_FIT, bad=1, low_is_bad=True),
                Column("Free vCPUs", expr=_FREE_VCPUS),
                Column("Free memory", expr=_FREE_MEMORY, unit="bytes"),
                Column(
                    "Memory available now",
                    expr=f"max {_KEY} (hostcollector_host_memory_available_bytes{{HOST}})",
                    unit="bytes",
                ),
                Column("Free GPUs", expr=_FREE_GPUS),
                Column("Guests", expr=f"max {_KEY} (instance:libvirt_domain_guests:count{{HOST}})"),
            ),
            sort="Guests that fit",
            width=14,
            height=12,
        ),
        Table(
            title="Flavours in use",
            description="Sizes of OpenStack's flavours, for the fields above, and how many guests have them.",
            columns=(
                Column("Flavour", "flavor"),
                Column("vCPUs", expr=f"max by (flavor) (libvirt_domain_info_virtual_cpus{{HOST}} * {_SIZE})"),
                Column(
                    "Memory",
                    expr=f"max by (flavor) (libvirt_domain_info_maximum_memory_bytes{{HOST}} * {_SIZE})",
                    unit="bytes",
                ),
                Column("Guests", expr=f"count by (flavor) ({NAMES}{{HOST, flavor!=''}})"),
            ),
            sort="Guests",
            width=10,
            height=12,
            empty="no guest has a flavour",
        ),
    ),
)

BOARD = Board(
    name="capacity",
    title="Capacity",
    description="How much room is left by zone and hypervisor, and how many guests of a size fit?",
    scope=Scope.FLEET,
    inputs=(
        Input("vcpus", "vCPUs of a guest", "4"),
        Input("memory_gib", "Memory (GiB)", "8"),
        Input("gpus", "GPUs", "0"),
        Input("pages", "Pages (normal, huge)", "normal"),
        Input("cpu_ratio", "vCPUs per CPU", "4"),
    ),
    rows=(_ROOM, _ZONES, _HOSTS),
)
