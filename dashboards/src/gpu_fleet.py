"""The board that answers: which GPU of the fleet needs a ticket, by serial, and how well are the GPUs used."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Query, Row, States, Table, Target, graph, number
from dashboards.src.variables import Scope

_INFO = "gpu:hostcollector_gpu:info"
_KEY = "by (region, instance, gpu)"
_ALERTING = 'alertstate="firing", scope="device", component=~"gpu|pci"'
# Alerts on PCI devices name their address, which is the GPU's name.
_OF_A_GPU = (
    f'(ALERTS{{HOST, {_ALERTING}, gpu!=""}}'
    f' or label_join(ALERTS{{HOST, {_ALERTING}, gpu="", pci_address!=""}}, "gpu", "", "pci_address"))'
)
_HEALTH: States = {"0": ("OK", "green"), "1": ("warning", "orange"), "2": ("critical", "red")}
_SEEN: States = {"0": ("no source", "red"), "1": ("yes", "green")}


def _both(family: str, matchers: str = "", function: str = "max", window: str = "") -> str:
    """Return a family of the GPUs of guests and of the host, one value for each GPU."""
    series = [f"{prefix}_{family}{{HOST{matchers}}}" for prefix in ("libvirt_domain", "hostcollector_host")]
    if window:
        series = [f"increase({each}[{window}])" for each in series]
    return f"{function} {_KEY} ({' or '.join(series)})"


_TELEMETRY = _both("gpu_observable", ', source!="vfio"')
_NOW = Row(
    title="Now",
    panels=(
        number("GPUs", "GPUs and vGPUs of the chosen hypervisors.", f"count({_INFO}{{HOST}})", empty="none"),
        number(
            "GPUs with alerts",
            "GPUs on which an alert fires. Bad: any.",
            f"count(count {_KEY} ({_OF_A_GPU})) or vector(0)",
            bad=1,
        ),
        number(
            "Not OK by the BMC",
            "GPUs whose health the BMC reports as warning or critical. Bad: any.",
            f"count({_both('gpu_health_id')} > 0) or vector(0)",
            bad=1,
        ),
        number(
            "Without telemetry",
            "GPUs of which neither NVIDIA's driver nor the BMC reports anything. Bad: any.",
            f"count({_TELEMETRY} == 0) or vector(0)",
            warn=1,
        ),
        number(
            "Free GPUs",
            "GPUs for guests that none has.",
            "sum(instance:hostcollector_gpus_free:count{HOST}) or vector(0)",
        ),
        number(
            "Power",
            "Power of all GPUs.",
            "sum(model:hostcollector_gpu_power_watts:sum{FLEET})",
            unit="watt",
            empty="no source reports it",
        ),
        Table(
            title="GPUs with alerts",
            description="What to put into the ticket: the serial, and why. Bad: any line.",
            columns=(
                Column("Alert", "alertname", leads_to=Target.RUNBOOK),
                Column("Severity", "severity"),
                Column("Hypervisor", "instance", leads_to=(Target.GPU, Target.HYPERVISOR)),
                Column("Region", "region"),
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Serial", "serial"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Is",
                    expr=f"{_OF_A_GPU} * on (job, instance, gpu) group_left (model, serial)"
                    f" max by (job, instance, gpu, model, serial) ({_INFO}{{HOST}})",
                    hidden=True,
                ),
            ),
            sort="Hypervisor",
            ascending=True,
            empty="no alert on a GPU",
        ),
    ),
)
_USE = Row(
    title="Use (all hypervisors of the chosen zones)",
    panels=(
        graph(
            "GPUs by model and use",
            "How many GPUs there are, by model and mode. Bad: a number that falls without a change of hardware.",
            Query("sum by (model, mode) (model:hostcollector_gpus:count{FLEET})", "{{model}} {{mode}}"),
            stacked=True,
            empty="no GPU",
        ),
        graph(
            "Utilization by model",
            "Mean share of time in which the GPUs of a model were busy. Bad: tenants wait while it is low.",
            Query("avg by (model) (model:hostcollector_gpu_utilization:avg{FLEET})", "{{model}}"),
            unit="percentunit",
            maximum=1,
            empty="no source reports it",
        ),
        graph(
            "Power by model",
            "Power of all GPUs of a model. Bad: above what racks and cooling allow.",
            Query("sum by (model) (model:hostcollector_gpu_power_watts:sum{FLEET})", "{{model}}"),
            unit="watt",
            stacked=True,
            empty="no source reports it",
        ),
        Table(
            title="Models and firmware",
            description="GPUs by model and firmware, as the BMC reports them. Bad: one model with several versions.",
            columns=(
                Column("Model", "model"),
                Column("Firmware", "firmware_version"),
                Column(
                    "GPUs", expr="count by (model, firmware_version) (hostcollector_host_gpu_bmc_info{HOST})"
                ),
            ),
            sort="GPUs",
            width=12,
            height=8,
            empty="no BMC",
        ),
    ),
)
_ALL = Row(
    title="Every GPU",
    folded=True,
    panels=(
        Table(
            title="Every GPU",
            description="One line each, errors and resets over the range. Red is bad: health, errors, temperature; no telemetry.",
            columns=(
                Column("Hypervisor", "instance", leads_to=Target.GPU),
                Column("Region", "region"),
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Serial", "serial"),
                Column("Mode", "mode"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Is",
                    expr=f"max by (region, instance, gpu, model, serial, mode, tenant, domain, uuid) ({_INFO}{{HOST}})",
                    hidden=True,
                ),
                Column("Telemetry", expr=_TELEMETRY, unit="none", states=_SEEN),
                Column("Health", expr=_both("gpu_health_id"), unit="none", states=_HEALTH),
                Column("Temperature", expr=_both("gpu_temperature_celsius"), unit="celsius", warn=80, bad=85),
                Column(
                    "Uncorrected errors",
                    expr=_both("gpu_memory_ecc_errors_total", ', severity="uncorrected"', "sum", "$__range"),
                    bad=1,
                ),
                Column("Remapping failed", expr=_both("gpu_row_remapping_failed"), unit="bool_yes_no", bad=1),
                Column("NVLinks up", expr=_both("gpu_nvlink_up", "", "sum")),
                Column(
                    "Resets", expr=_both("gpu_resets_total", ', phase!="exit"', "sum", "$__range"), warn=1
                ),
            ),
            sort="Hypervisor",
            ascending=True,
            height=14,
            empty="no GPU",
        ),
    ),
)

BOARD = Board(
    name="gpu-fleet",
    title="GPU fleet",
    description="Which GPU of the fleet needs a ticket, by serial number, and how well are the GPUs used?",
    scope=Scope.FLEET,
    rows=(_NOW, _USE, _ALL),
)
