"""The rows of the hypervisor's board about what happened: to the chassis, to guests, to their jobs, and errors."""

from dashboards.src.ends import incidents, last_ended, last_incidents
from dashboards.src.panels import Query, Row, States, graph, states

_HEALTH: States = {"0": ("OK", "green"), "1": ("warning", "orange"), "2": ("critical", "red")}

CHASSIS = Row(
    title="Chassis (from the BMC)",
    panels=(
        graph(
            "Power",
            "Power of the whole chassis, and what its power supplies take in. Bad: one supply at 0.",
            Query("hostcollector_host_chassis_power_watts{HOST}", "{{chassis}} {{instance}}"),
            Query("hostcollector_host_power_supply_power_watts{HOST}", "{{supply}} {{instance}}"),
            unit="watt",
            empty="no BMC with chassis data",
        ),
        graph(
            "Air temperature",
            "Air at the inlet and at the exhaust. Bad: an inlet above 35 °C.",
            Query("hostcollector_host_air_temperature_celsius{HOST}", "{{place}} {{sensor}} {{instance}}"),
            unit="celsius",
            warn=30,
            bad=35,
            empty="no BMC with chassis data",
        ),
        states(
            "Power supplies and leak detectors",
            "Health by the BMC. Bad: warning and critical.",
            Query("hostcollector_host_power_supply_health_id{HOST}", "{{supply}} {{instance}}"),
            Query("hostcollector_host_leak_detector_state_id{HOST}", "{{detector}} {{instance}}"),
            states=_HEALTH,
            unit="none",
            empty="no BMC with chassis data",
        ),
        graph(
            "Entries of the BMC's logs",
            "Warnings and critical entries in the BMC's event logs. Bad: a number that grows.",
            Query("hostcollector_host_bmc_log_entries{HOST}", "{{log}} {{severity}} {{instance}}"),
            empty="no BMC with event logs",
        ),
    ),
)
ENDS = Row(
    title="Ends and incidents of guests",
    panels=(
        graph(
            "Ended guests",
            "Guests that ended, by reason. Bad: crashed, failed and oom_kill.",
            Query(
                "increase(hostcollector_host_domain_ends_total{HOST}[$__rate_interval]) > 0",
                "{{instance}} {{reason}}",
            ),
            empty="none has ended",
        ),
        incidents("HOST"),
        last_ended("HOST"),
        last_incidents("HOST"),
    ),
)
JOBS = Row(
    title="Migrations and other jobs",
    panels=(
        graph(
            "Jobs that ended",
            "Migrations, saves and backups that ended in each interval. Bad: failed.",
            Query(
                "increase(hostcollector_host_domain_jobs_total{HOST}[$__rate_interval]) > 0",
                "{{instance}} {{operation}} {{result}}",
            ),
            Query(
                "increase(hostcollector_host_domain_block_jobs_total{HOST}[$__rate_interval]) > 0",
                "{{instance}} block {{operation}} {{result}}",
            ),
            width=8,
            empty="none",
        ),
        graph(
            "Duration of jobs",
            "Nine of ten jobs took no longer. Bad: migrations that grow from day to day.",
            Query(
                "histogram_quantile(0.9, sum by (instance, operation, le)"
                " (increase(hostcollector_host_domain_job_duration_seconds_bucket{HOST}[$__rate_interval]))) > 0",
                "{{instance}} {{operation}}",
            ),
            unit="s",
            width=8,
            empty="none",
        ),
        graph(
            "Downtime of migrations from here",
            "Nine of ten guests were paused no longer. Bad: above 1 s.",
            Query(
                "histogram_quantile(0.9, sum by (instance, operation, le)"
                " (increase(hostcollector_host_domain_job_downtime_seconds_bucket{HOST}[$__rate_interval]))) > 0",
                "{{instance}} {{operation}}",
            ),
            unit="s",
            warn=0.3,
            bad=1,
            width=8,
            empty="none",
        ),
    ),
)
ERRORS = Row(
    title="Errors",
    panels=(
        graph(
            "PCIe errors",
            "Errors of guests' and the host's devices in each interval. Bad: any fatal or nonfatal one.",
            Query(
                "increase(libvirt_domain_pci_aer_errors_total{HOST}[$__rate_interval])",
                "{{pci_address}} {{severity}}, {{domain}} ({{tenant}})",
            ),
            Query(
                "increase(hostcollector_host_pci_aer_errors_total{HOST}[$__rate_interval])",
                "{{pci_address}} {{severity}}, host",
            ),
            bad=1,
            empty="no device counts PCIe errors",
        ),
        states(
            "Failed sources",
            "Sources of the collector that failed. Bad: any; its series are missing.",
            Query("hostcollector_source_up{HOST} == 0", "{{source}}"),
            states={"0": ("fails", "red")},
            unit="none",
            empty="none",
        ),
    ),
)
