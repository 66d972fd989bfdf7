"""The board that answers: which GPU is sick, which one idles, and whose is it."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Panel, Query, Row, Table, Target, graph
from dashboards.src.variables import Depth


def _both(
    title: str,
    description: str,
    pattern: str,
    legend: str,
    empty: str = "no GPU that tells it",
    **about: object,
) -> Panel:
    """Return a graph of a family that GPUs of guests and those of the host share; `@` is its prefix and scope."""
    of_guests = pattern.replace("@", "libvirt_domain").replace("{ALL", "{GUEST")
    of_host = pattern.replace("@", "hostcollector_host").replace("{ALL", "{HOST")
    return graph(
        title,
        description,
        Query(of_guests, f"{legend}, {{{{domain}}}} ({{{{tenant}}}})"),
        Query(of_host, f"{legend}, host {{{{instance}}}}"),
        empty=empty,
        **about,
    )


_WHICH = Row(
    title="Which GPUs",
    panels=(
        Table(
            title="GPUs of guests",
            description="Passed-through GPUs and vGPUs by owner. Bad: mode and model that were not sold.",
            columns=(
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Mode", "mode"),
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("UUID", "uuid", hidden=True),
                Column("Is", expr="libvirt_domain_gpu_info{GUEST}", hidden=True),
            ),
            width=14,
            empty="no guest has a GPU",
        ),
        Table(
            title="GPUs of the host",
            description="GPUs that no guest owns, or that are split into vGPUs. Bad: an idle GPU that is paid for.",
            columns=(
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Is", expr="hostcollector_host_gpu_info{HOST}", hidden=True),
            ),
            width=10,
            empty="the host keeps no GPU",
        ),
        _both(
            "Who sees the GPU",
            "1 if the source sees the GPU. Bad: 0 everywhere; a passed-through GPU is seen by the BMC only.",
            "max without (source, pci_address) (@_gpu_observable{ALL})",
            "{{gpu}}",
            width=24,
            bad=0.5,
            low_is_bad=True,
            height=6,
        ),
    ),
)
_USE = Row(
    title="Use",
    panels=(
        _both(
            "Busy",
            "Share of time in which the GPU was busy. Bad: 0 on a GPU that is rented, or for one rank of a job.",
            '@_gpu_utilization_ratio{ALL, engine="gpu"}',
            "{{gpu}}",
            unit="percentunit",
            maximum=1,
        ),
        _both(
            "Device memory in use",
            "Share of the device memory. Bad: 100 %, the work fails.",
            "@_gpu_memory_used_bytes{ALL} / @_gpu_memory_bytes{ALL}",
            "{{gpu}}",
            unit="percentunit",
            maximum=1,
            warn=0.9,
            bad=0.98,
        ),
        _both(
            "Power, share of the limit",
            "Power that the GPU draws of what it may. Bad: 100 % with low clocks; 0 with full use.",
            "@_gpu_power_watts{ALL} / @_gpu_power_limit_watts{ALL}",
            "{{gpu}}",
            unit="percentunit",
        ),
        _both(
            "Energy",
            "Mean power from the energy counter, for accounts. Bad: nothing by itself.",
            "rate(@_gpu_energy_joules_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="watt",
        ),
    ),
)
_HEAT = Row(
    title="Heat and clocks",
    panels=(
        _both(
            "Temperature",
            "Bad: above 85 °C; the GPU slows down, then shuts off.",
            "@_gpu_temperature_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=80,
            bad=85,
        ),
        _both(
            "Temperature of the memory",
            "Bad: above 95 °C.",
            "@_gpu_memory_temperature_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=90,
            bad=95,
        ),
        _both(
            "Headroom until it slows down",
            "How much warmer the GPU may get. Bad: below 5 °C.",
            "@_gpu_temperature_headroom_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=10,
            bad=5,
            low_is_bad=True,
            empty="no GPU whose BMC is asked",
        ),
        _both(
            "Held back",
            "Share of time in which the clocks were held down, by reason. Bad: thermal, board_limit, reliability.",
            "rate(@_gpu_throttle_seconds_total{ALL}[$__rate_interval])",
            "{{gpu}} {{reason}}",
            unit="percentunit",
            warn=0.1,
        ),
        _both(
            "Clocks held now",
            "Why the clocks are below their best now. Bad: hw_slowdown, hw_thermal, hw_power_brake.",
            '@_gpu_clocks_held{ALL, reason!="idle"} == 1',
            "{{gpu}} {{reason}}",
            empty="none",
        ),
    ),
)
_HEALTH = Row(
    title="Health",
    panels=(
        _both(
            "Memory errors (ECC)",
            "Errors in each interval. Bad: any uncorrected one; corrected ones that go on.",
            "increase(@_gpu_memory_ecc_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{memory}} {{severity}}",
            bad=1,
        ),
        graph(
            "Driver errors (Xid)",
            "Errors that the driver reported in each interval. Bad: 48, 63, 64, 74, 79, 94, 95 are hardware.",
            Query(
                "increase(hostcollector_host_gpu_xid_events_total{HOST}[$__rate_interval])",
                "{{gpu}} {{instance}}",
            ),
            Query(
                "increase(hostcollector_host_gpu_xid_events_by_code_total{HOST}[$__rate_interval]) > 0",
                "{{gpu}} Xid {{xid}} {{instance}}",
            ),
            bad=1,
            empty="no GPU whose driver the host sees",
        ),
        _both(
            "Health, by the BMC",
            "0 is OK, 1 a warning, 2 critical. Bad: any but 0; the BMC's event log says why.",
            "@_gpu_health_id{ALL}",
            "{{gpu}}",
            warn=1,
            bad=2,
            empty="no GPU whose BMC is asked",
        ),
        _both(
            "PCIe errors, by the GPU",
            "PCIe errors that the GPU itself counts, in each interval. Bad: nonfatal and fatal ones.",
            "increase(@_gpu_pcie_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}}",
            bad=1,
            empty="no GPU whose BMC is asked",
        ),
        _both(
            "Rows of memory to be replaced",
            "1 or 2 if bad rows wait for a reset or could not be replaced. Bad: any; a failure means a new GPU.",
            "@_gpu_row_remapping_pending{ALL} + @_gpu_row_remapping_failed{ALL}",
            "{{gpu}} waits for a reset, or has failed",
            bad=1,
        ),
        _both(
            "Banks without spare rows",
            "Banks of memory that have few or no spare rows left. Bad: any with none.",
            '@_gpu_row_remapping_banks{ALL, spares=~"low|none"}',
            "{{gpu}} {{spares}}",
            warn=1,
        ),
        _both(
            "PCIe packets repeated",
            "Bad: any that goes on; the link is bad.",
            "rate(@_gpu_pcie_replays_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="ops",
            warn=1,
        ),
        _both(
            "PCIe link below its best",
            "1 where speed or width is below what both ends can do. Bad: width; an idle GPU lowers its speed.",
            "@_pci_link_degraded{ALL}",
            "{{pci_address}} {{aspect}}",
            bad=1,
        ),
        graph(
            "GPUs that fell off the bus",
            "1 if the GPU does not answer its driver any more. Bad: any.",
            Query("hostcollector_host_gpu_lost{HOST}", "{{gpu}} {{instance}}"),
            bad=1,
            empty="no GPU whose driver the host sees",
        ),
    ),
)
_NVLINK = Row(
    title="NVLink",
    panels=(
        _both(
            "Data received",
            "Bad: one GPU of a job far below the others.",
            "rate(@_gpu_nvlink_receive_bytes_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        _both(
            "Data sent",
            "Bad: one GPU of a job far below the others.",
            "rate(@_gpu_nvlink_transmit_bytes_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        _both(
            "Errors",
            "Errors in each interval, by kind. Bad: replay and recovery.",
            "increase(@_gpu_nvlink_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}}",
            bad=1,
            empty="no NVLinks",
        ),
        _both(
            "Links up",
            "NVLinks that are active. Bad: fewer than its neighbours have.",
            "sum without (link) (@_gpu_nvlink_up{ALL})",
            "{{gpu}}",
            empty="no NVLinks",
        ),
    ),
)
_SHARED = Row(
    title="vGPUs and MIG",
    panels=(
        graph(
            "vGPU licences",
            "1 if the guest's driver holds a licence. Bad: 0; the vGPU is slowed down after a while.",
            Query("libvirt_domain_gpu_vgpu_licensed{GUEST}", "{{gpu}}, {{domain}} ({{tenant}})"),
            bad=0.5,
            low_is_bad=True,
            empty="no vGPUs",
            leads_to=Target.GUEST,
        ),
        graph(
            "Memory of MIG instances in use",
            "Share of each instance's memory. Bad: 100 %.",
            Query(
                "hostcollector_host_gpu_mig_memory_used_bytes{HOST} / hostcollector_host_gpu_mig_memory_bytes{HOST}",
                "{{gpu}} {{gpu_instance}}/{{compute_instance}} {{instance}}",
            ),
            unit="percentunit",
            maximum=1,
            empty="no MIG instances",
        ),
    ),
)

BOARD = Board(
    name="gpu",
    title="GPUs",
    description="GPUs of guests and of the host: which is sick, which idles, and whose is it?",
    depth=Depth.GUESTS,
    rows=(_WHICH, _USE, _HEAT, _HEALTH, _NVLINK, _SHARED),
)
