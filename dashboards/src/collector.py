"""Is the data of the other boards complete? What the collector read, what it could not, and what it uses."""

from dashboards.src.board import Board
from dashboards.src.panels import FAULT, Column, Query, Row, Table, graph, states
from dashboards.src.variables import Scope

_SOURCES = Row(
    title="Sources",
    panels=(
        states(
            "Sources",
            "Whether each source answered. Bad: red, its series are missing; `hostcollector diagnose` shows the cause.",
            Query("hostcollector_source_up{HOST}", "{{source}}"),
            states={"1": ("answers", "green"), "0": ("fails", "red")},
            unit="none",
            width=24,
            height=11,
        ),
        graph(
            "Errors by source",
            "Collections in which a source failed, with the reason of its last error. Bad: errors that repeat.",
            Query(
                "(increase(hostcollector_source_errors_total{HOST}[$__rate_interval]) > 0)"
                " * on (job, instance, source) group_left (reason) hostcollector_source_error_info{HOST}",
                "{{source}}: {{reason}}",
            ),
            bad=1,
            empty="no errors",
        ),
        graph(
            "Duration by source",
            "How long each source took. Bad: near the budget of 8 s; later data is missing from the page.",
            Query("hostcollector_source_duration_seconds{HOST}", "{{source}}"),
            unit="s",
            warn=2,
            bad=8,
        ),
        graph(
            "Time since a source last answered",
            "Bad: more than a few scrape intervals.",
            Query(
                "time() - hostcollector_source_last_success_timestamp_seconds{HOST}",
                "{{source}}",
            ),
            unit="s",
            warn=60,
            bad=300,
        ),
        graph(
            "Series by source",
            "Series of each source. Bad: a source that grows without more guests.",
            Query("hostcollector_source_samples{HOST}", "{{source}}"),
        ),
        graph(
            "Guests left out",
            "Guests without series, as the section `guests` of the configuration says. Bad: more than you mean.",
            Query("hostcollector_domains_left_out{HOST}", "{{instance}}"),
        ),
    ),
)
_PAGE = Row(
    title="Metrics page",
    panels=(
        graph(
            "Duration of a scrape and of its collection",
            "Bad: near the scrape timeout.",
            Query("scrape_duration_seconds{HOST}", "scrape"),
            Query("hostcollector_collection_duration_seconds{HOST}", "collection"),
            unit="s",
            warn=5,
            bad=9,
        ),
        graph(
            "Series, share of the limit",
            "Share of the series limit in use. Bad: at 100 % series are dropped.",
            Query(
                "sum without (source) (hostcollector_source_samples{HOST}) / hostcollector_series_limit{HOST}",
                "{{instance}}",
            ),
            unit="percentunit",
            warn=0.8,
            bad=1,
        ),
        graph(
            "Dropped series",
            "Series missing from the page. Bad: over_limit and duplicate; unknown_guest is a guest that just started or stopped.",
            Query("hostcollector_series_dropped{HOST} > 0", "{{reason}}"),
            bad=1,
            empty="none",
        ),
        graph(
            "libvirt",
            "Calls that wait for a guest's monitor, and new connections. Bad: calls that stay, repeated connections.",
            Query("hostcollector_libvirt_stuck_calls{HOST}", "stuck calls"),
            Query(
                "increase(hostcollector_libvirt_connects_total{HOST}[$__rate_interval])",
                "connections",
            ),
            warn=1,
        ),
        graph(
            "Age of cached data",
            "Data that is not read in each scrape. Bad: the inventory above 10 minutes, others above three of their intervals.",
            Query("hostcollector_inventory_age_seconds{HOST}", "inventory"),
            Query("hostcollector_ovs_database_age_seconds{HOST}", "Open vSwitch"),
            Query("hostcollector_ovn_database_age_seconds{HOST}", "OVN"),
            Query("hostcollector_ndfc_age_seconds{HOST}", "NDFC"),
            Query("hostcollector_ufm_age_seconds{HOST}", "UFM"),
            Query("max without (part) (hostcollector_host_redfish_age_seconds{HOST})", "BMC"),
            unit="s",
            warn=600,
        ),
        states(
            "Counter baselines not saved",
            "Whether the counter baselines of VFs and GPUs are not on disk. Bad: yes; a restart would set their counters to 0.",
            Query("hostcollector_baselines_unsaved{HOST}", "{{instance}}"),
            states=FAULT,
            unit="none",
        ),
    ),
)
_CONFIGURATION = Row(
    title="Configuration and certificates",
    panels=(
        states(
            "Last reload",
            "Whether the last reading of the configuration succeeded. Bad: failed; the one of before is in use.",
            Query("hostcollector_config_last_reload_successful{HOST}", "{{instance}}"),
            states={"0": ("failed", "red"), "1": ("succeeded", "green")},
            unit="none",
            width=8,
        ),
        graph(
            "Certificates end in",
            "Time until certificates end, by the setting that names them. Bad: below two weeks.",
            Query("hostcollector_certificate_expiry_timestamp_seconds{HOST} - time()", "{{setting}}"),
            unit="s",
            warn=1_209_600,
            bad=259_200,
            low_is_bad=True,
            width=8,
            empty="no certificate is configured",
        ),
        Table(
            title="Sources that are off",
            description="Sources that are not configured or switched off. Bad: one that this hypervisor needs.",
            columns=(
                Column("Source", "source"),
                Column("Off", expr="hostcollector_source_off{HOST}", hidden=True),
            ),
            sort="Source",
            ascending=True,
            width=8,
            height=8,
            empty="every source is on",
        ),
    ),
)
_COST = Row(
    title="Resource use",
    panels=(
        graph(
            "CPU",
            "CPUs that the collector uses. Bad: above 20 %.",
            Query("rate(process_cpu_seconds_total{HOST}[$__rate_interval])", "{{instance}}"),
            unit="percentunit",
            warn=0.2,
            bad=0.5,
        ),
        graph(
            "Memory",
            "Resident memory of the collector. Bad: growth over days.",
            Query("process_resident_memory_bytes{HOST}", "{{instance}}"),
            unit="bytes",
        ),
        graph(
            "File descriptors and threads",
            "Open file descriptors and threads of the collector. Bad: growth over days.",
            Query("process_open_fds{HOST}", "descriptors"),
            Query("process_threads{HOST}", "threads"),
        ),
    ),
)

BOARD = Board(
    name="collector",
    title="Collector",
    description="Is the data of the other boards complete? What was read, what was not, and what the collector uses.",
    scope=Scope.HYPERVISOR,
    rows=(_SOURCES, _PAGE, _CONFIGURATION, _COST),
)
