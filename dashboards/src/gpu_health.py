"""The rows of the GPUs' board about what is broken or shared: errors, health, links, vGPUs and MIG instances."""

from dashboards.src.gpu_panels import SLOW, both, in_states
from dashboards.src.panels import FAULT, GOOD, Query, Row, Target, graph, states
from dashboards.src.queries import SERVER, named

HEALTH = Row(
    title="Health",
    panels=(
        both(
            "Memory errors (ECC)",
            "Errors in each interval. Bad: any uncorrected one; corrected ones that repeat.",
            "increase(@_gpu_memory_ecc_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{memory}} {{severity}}",
            bad=1,
        ),
        graph(
            "Driver errors (Xid)",
            "Errors that the driver reported in each interval. Bad: 48, 63, 64, 74, 79, 94, 95 are hardware.",
            Query(
                "increase(hostcollector_host_gpu_xid_events_total{HOST}[$__rate_interval])",
                "{{gpu}}",
            ),
            Query(
                "increase(hostcollector_host_gpu_xid_events_by_code_total{HOST}[$__rate_interval]) > 0",
                "{{gpu}} Xid {{xid}}",
            ),
            bad=1,
            empty="no GPU with NVIDIA's driver on the host",
        ),
        in_states(
            "Health reported by the BMC",
            "Bad: warning and critical; the BMC's event log has the reason.",
            "@_gpu_health_id{ALL}",
            "{{gpu}}",
            "no GPU with data from a BMC",
            values={"0": ("OK", "green"), "1": ("warning", "orange"), "2": ("critical", "red")},
        ),
        both(
            "PCIe errors counted by the GPU",
            "PCIe errors that the GPU itself counts, in each interval. Bad: nonfatal and fatal ones.",
            "increase(@_gpu_pcie_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}}",
            bad=1,
            empty="no GPU with data from a BMC",
        ),
        in_states(
            "Row remapping pending or failed",
            "Bad rows that wait for a reset, or could not be replaced. Bad: any; after a failure replace the GPU.",
            "@_gpu_row_remapping_pending{ALL} + 2 * @_gpu_row_remapping_failed{ALL}",
            "{{gpu}}",
            values={
                "0": ("no", "green"),
                "1": ("waits for a reset", "orange"),
                "2": ("failed", "red"),
                "3": ("failed, and waits", "red"),
            },
        ),
        both(
            "Remapped rows",
            "Rows of memory that were replaced in a quarter of an hour. Bad: after uncorrected errors.",
            f"increase(@_gpu_remapped_rows_total{{ALL}}[{SLOW}])",
            "{{gpu}} {{severity}}",
            warn=1,
        ),
        both(
            "Memory banks low on spare rows",
            "Memory banks with few or no spare rows left. Bad: banks with none.",
            '@_gpu_row_remapping_banks{ALL, spares=~"low|none"}',
            "{{gpu}} {{spares}}",
            warn=1,
        ),
        both(
            "PCIe replays",
            "PCIe packets that were sent again. Bad: a rate that stays; the link is bad.",
            "rate(@_gpu_pcie_replays_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="ops",
            warn=1,
        ),
        in_states(
            "PCIe link degraded",
            "Whether speed or width is below what both ends support. Bad: width; an idle GPU lowers its speed.",
            "@_pci_link_degraded{ALL}",
            "{{pci_address}} {{aspect}}",
        ),
        both(
            "Resets counted by the BMC",
            "Resets in each interval, by kind. Bad: any while a guest runs; entry without exit is a GPU stuck in reset.",
            "increase(@_gpu_resets_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}} {{phase}}",
            bad=1,
            empty="no GPU with data from a BMC",
        ),
        states(
            "Lost GPUs",
            "Whether the GPU no longer answers its driver. Bad: any.",
            Query("hostcollector_host_gpu_lost{HOST}", "{{gpu}}"),
            states=FAULT,
            unit="none",
            empty="no GPU with NVIDIA's driver on the host",
        ),
    ),
)
NVLINK = Row(
    title="NVLink",
    panels=(
        both(
            "Data received",
            "Data over NVLink. Bad: one GPU of a job far below the others.",
            f"rate(@_gpu_nvlink_receive_bytes_total{{ALL}}[{SLOW}])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        both(
            "Data sent",
            "Data over NVLink. Bad: one GPU of a job far below the others.",
            f"rate(@_gpu_nvlink_transmit_bytes_total{{ALL}}[{SLOW}])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        both(
            "Errors",
            "Errors in a quarter of an hour, by kind. Bad: replay and recovery.",
            f"increase(@_gpu_nvlink_errors_total{{ALL}}[{SLOW}])",
            "{{gpu}} {{kind}}",
            bad=1,
            empty="no NVLinks",
        ),
        both(
            "Links up",
            "Active NVLinks. Bad: fewer than on other GPUs of the host.",
            "sum without (link) (@_gpu_nvlink_up{ALL})",
            "{{gpu}}",
            empty="no NVLinks",
        ),
    ),
)
SHARED = Row(
    title="vGPUs and MIG",
    panels=(
        states(
            "vGPU licences",
            "Whether the guest's driver has a licence. Bad: no; the vGPU is slowed down later.",
            Query(named("libvirt_domain_gpu_vgpu_licensed{OWNED}", "OWNED"), f"{{{{gpu}}}}, {SERVER}"),
            states=GOOD,
            unit="none",
            empty="no vGPUs",
            leads_to=Target.GUEST,
        ),
        graph(
            "Memory of MIG instances in use",
            "Share of each instance's memory. Bad: 100 %.",
            Query(
                "hostcollector_host_gpu_mig_memory_used_bytes{HOST} / hostcollector_host_gpu_mig_memory_bytes{HOST}",
                "{{gpu}} {{gpu_instance}}/{{compute_instance}}",
            ),
            unit="percentunit",
            maximum=1,
            empty="no MIG instances",
        ),
    ),
)
