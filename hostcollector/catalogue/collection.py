"""Rows about the collection itself: what was read, what was not, what the collector costs."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import (
    DISK_SIZE,
    DURATION,
    EVENTS,
    FLAG,
    MEMORY,
    ONE,
    SUMMED_SECONDS,
    TIMESTAMP,
    code,
    counted,
    measured,
    number_of,
    unbounded,
)
from hostcollector.catalogue.rows import counter, gauge, info

# Things that the collector counts, and what its operator may set.
_MANY = number_of(2**63)
_AS_SET = unbounded("its operator sets it")
_own_gauge = partial(gauge, source="collector", scope=Scope.HOST)
_own_counter = partial(counter, source="collector", scope=Scope.HOST)
_process_gauge = partial(gauge, source="process", scope=Scope.HOST)

LIBVIRT_UP = _own_gauge(
    name="libvirt_up",
    can_be=FLAG,
    help="1 if libvirt answered in this collection.",
)
VERSIONS_INFO = _own_gauge(
    name="libvirt_versions_info",
    can_be=ONE,
    labels=("hypervisor_running", "libvirtd_running", "libvirt_library"),
    help="Versions of QEMU, the libvirt daemon and the libvirt client library; always 1.",
    note="Typed gauge as in the Tinkoff exporter.",
)
BUILD_INFO = info(
    name="hostcollector_build_info",
    source="collector",
    scope=Scope.HOST,
    labels=("version", "python_version"),
    help="The collector's version.",
)
CONFIG_INFO = info(
    name="hostcollector_config_info",
    source="collector",
    scope=Scope.HOST,
    labels=("sha256",),
    help="The configuration file in use, as `sha256sum` prints it; absent without a file.",
    note="Flags and the files that it names are not in it.",
)
CONFIG_RELOADED = _own_gauge(
    name="hostcollector_config_last_reload_successful",
    can_be=FLAG,
    help="1 if the last attempt to read the configuration succeeded; 0 while the one of before is in use.",
)
CONFIG_LOADED = _own_gauge(
    name="hostcollector_config_last_reload_success_timestamp_seconds",
    can_be=TIMESTAMP,
    unit="seconds",
    help="When the configuration in use was read, as a Unix time.",
)
CERTIFICATE_EXPIRY = _own_gauge(
    name="hostcollector_certificate_expiry_timestamp_seconds",
    can_be=measured(0, 2**38, unknown=()),
    labels=("setting",),
    unit="seconds",
    help="When the certificates in the file of this setting end, as a Unix time.",
    note="The earliest end in a chain that is presented; the latest end of authorities that are trusted.",
)
SOURCE_OFF = _own_gauge(
    name="hostcollector_source_off",
    can_be=ONE,
    labels=("source",),
    help="1 for a source that is not configured or switched off; it has no other series about a source.",
    note="Absent for all other sources. The status page and diagnose say which setting it is.",
)
SOURCE_UP = _own_gauge(
    name="hostcollector_source_up",
    can_be=FLAG,
    labels=("source",),
    help="1 if the source answered in this collection, also if some guests are missing from its answer.",
)
SOURCE_PARTIAL = _own_gauge(
    name="hostcollector_source_partial",
    can_be=FLAG,
    labels=("source",),
    help="1 if the source answered, but guests or devices that should be there are missing from its answer.",
    note="The status page says which ones and why.",
)
SOURCE_DURATION = _own_gauge(
    name="hostcollector_source_duration_seconds",
    can_be=DURATION,
    labels=("source",),
    unit="seconds",
    help="How long the source took in this collection.",
)
SOURCE_LAST_SUCCESS = _own_gauge(
    name="hostcollector_source_last_success_timestamp_seconds",
    can_be=TIMESTAMP,
    labels=("source",),
    unit="seconds",
    help="When the source last answered, as a Unix time.",
)
SOURCE_ERRORS = _own_counter(
    name="hostcollector_source_errors_total",
    can_be=EVENTS,
    labels=("source",),
    help="Collections in which the source gave nothing.",
    note="hostcollector_source_error_info has the last reason.",
)
SOURCE_ERROR_INFO = info(
    name="hostcollector_source_error_info",
    source="collector",
    scope=Scope.HOST,
    labels=("source", "reason"),
    help="Why the source last gave nothing; absent before its first error.",
)
SOURCE_SAMPLES = _own_gauge(
    name="hostcollector_source_samples",
    can_be=_MANY,
    labels=("source",),
    help="Series that the source gave in this collection.",
)
SOURCE_MISSING = _own_gauge(
    name="hostcollector_source_missing",
    can_be=_MANY,
    labels=("source",),
    help="Items that definitions promise and the source did not find, or found and could not read.",
    note="The status page names them. Absent when the source gave nothing at all.",
)
IMPLAUSIBLE_VALUES = _own_counter(
    name="hostcollector_implausible_values_total",
    can_be=EVENTS,
    labels=("source",),
    help="Values of the source that were left out because they cannot be: see the row's range.",
    note="The status page and diagnose name them, with an example.",
)
COLLECTION_DURATION = _own_gauge(
    name="hostcollector_collection_duration_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long this collection took, without encoding.",
)
DOMAINS_UNASSIGNED = _own_gauge(
    name="hostcollector_domains_unassigned",
    can_be=_MANY,
    help="Active domains for which no resolver knows the tenant.",
)
DOMAINS_LEFT_OUT = _own_gauge(
    name="hostcollector_domains_left_out",
    can_be=_MANY,
    help="Active domains without series on this page: the configuration's section `guests` leaves them out.",
    note="They are not counted in hostcollector_domains_unassigned.",
)
SERIES_DROPPED = _own_gauge(
    name="hostcollector_series_dropped",
    can_be=_MANY,
    labels=("reason",),
    help="Series left off this page: duplicate label sets, unknown guests, over the limit.",
)
SERIES_LIMIT = _own_gauge(
    name="hostcollector_series_limit",
    can_be=_AS_SET,
    help="Series that the page may have; what exceeds it is left off.",
)
INVENTORY_AGE = _own_gauge(
    name="hostcollector_inventory_age_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long ago the inventory was last verified by a full listing.",
)
LIBVIRT_CONNECTIONS = _own_counter(
    name="hostcollector_libvirt_connects_total",
    can_be=EVENTS,
    help="Times that a connection to libvirt was opened.",
)
LIBVIRT_STUCK_CALLS = _own_gauge(
    name="hostcollector_libvirt_stuck_calls",
    can_be=_MANY,
    help="Calls to libvirt that wait for a guest, or for libvirt itself, and were given up.",
)
UNKNOWN_FIELDS = _own_gauge(
    source="libvirt_monitor",
    name="hostcollector_libvirt_unknown_fields",
    can_be=_MANY,
    help="Statistics fields of this libvirt that this version of the collector does not know.",
)
BASELINES_RECORDS = _own_gauge(
    name="hostcollector_baselines_records",
    can_be=_MANY,
    help="Reusable devices (VFs, GPUs) with a saved counter baseline.",
)
BASELINES_UNSAVED = _own_gauge(
    name="hostcollector_baselines_unsaved",
    can_be=FLAG,
    help="1 if that record is not on disk: after a restart the counters of such devices start at 0.",
)
BASELINES_ERRORS = _own_counter(
    name="hostcollector_baselines_errors_total",
    can_be=EVENTS,
    labels=("operation",),
    help="Times that the record could not be read or written.",
)
TENANT_PAGE_VMS = _own_gauge(
    name="hostcollector_tenant_page_vms",
    can_be=_MANY,
    help="VMs on the last tenant page that was made; absent before the first one.",
    note="docs/tenant-page.md says which guests are on it.",
)
TENANT_PAGE_LEFT_OUT = _own_counter(
    name="hostcollector_tenant_page_series_left_out_total",
    can_be=EVENTS,
    labels=("reason",),
    help="Series that were left out of tenant pages: label (a value that is not allowed), limit, duplicate.",
)
USAGE_RECORDS = _own_counter(
    name="hostcollector_usage_records_total",
    can_be=EVENTS,
    help="Usage records that were made. This and the others about usage: only with usage.records.",
    note="docs/usage.md says what the records mean.",
)
USAGE_HOURS = _own_counter(
    name="hostcollector_usage_closings_total",
    can_be=EVENTS,
    help="Times that an hour was closed in the ledger of usage records.",
)
USAGE_UNSEEN = _own_counter(
    name="hostcollector_usage_unseen_seconds_total",
    can_be=SUMMED_SECONDS,
    unit="seconds",
    help="Seconds between the last reading of a guest and its end, whose traffic is in no usage record.",
)
USAGE_CLOCK_STEPS = _own_counter(
    name="hostcollector_usage_clock_steps_total",
    can_be=EVENTS,
    help="Times that the host's clock was set by more than a second.",
)
USAGE_CLOCK = _own_gauge(
    name="hostcollector_usage_clock_timestamp_seconds",
    can_be=TIMESTAMP,
    unit="seconds",
    help="The host's clock at the end of the collection, as a Unix time: hours of usage follow it.",
)
USAGE_ERRORS = _own_counter(
    name="hostcollector_usage_errors_total",
    can_be=EVENTS,
    help="Times that the usage records could not be read or written.",
)
USAGE_WAITING = _own_gauge(
    name="hostcollector_usage_lines_waiting",
    can_be=_MANY,
    help="Lines of the ledger that wait in memory for the disk.",
)
USAGE_OVERDUE = _own_gauge(
    name="hostcollector_usage_hour_overdue_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How long ago the first hour ended that is not closed; 0 while it goes on.",
)
USAGE_DAMAGED = _own_gauge(
    name="hostcollector_usage_damaged_lines",
    can_be=_MANY,
    help="Damaged lines that were in the ledger when it was opened; they are not served.",
)
USAGE_BYTES = _own_gauge(
    name="hostcollector_usage_ledger_bytes",
    can_be=DISK_SIZE,
    unit="bytes",
    help="Size of the ledger of usage records.",
)
MAP_STALE = _own_gauge(
    name="hostcollector_map_stale",
    can_be=FLAG,
    labels=("map",),
    help="1 if a map file (`tenants`, `gpus`) cannot be read as it is now: the one of before is in use.",
)
TIMED_OUT = gauge(
    name="libvirt_domain_timed_out",
    can_be=FLAG,
    source="libvirt_monitor",
    help="1 if the guest's monitor did not answer in time, or is known not to; 0 for one that was not asked.",
)
MONITOR_STATE = gauge(
    name="libvirt_domain_monitor_state",
    can_be=code(3),
    source="libvirt_monitor",
    help="The guest's monitor: 0 free, 1 background job, 2 occupied by a command, 3 error.",
    note="virDomainGetControlInfo.",
)
MONITOR_BLOCKED = gauge(
    name="libvirt_domain_monitor_blocked_seconds",
    can_be=DURATION,
    source="libvirt_monitor",
    unit="seconds",
    help="How long the guest's monitor has been occupied by one command, or its QEMU seen halted; else 0.",
)
STATS_PARTIAL = gauge(
    name="libvirt_domain_stats_partial",
    can_be=FLAG,
    source="libvirt_monitor",
    help="1 if libvirt left out block or balloon statistics of the guest in this collection.",
)
PROCESS_CPU = counter(
    name="process_cpu_seconds_total",
    can_be=counted(1000),
    source="process",
    scope=Scope.HOST,
    unit="seconds",
    help="CPU time of the collector.",
)
PROCESS_RESIDENT_MEMORY = _process_gauge(
    name="process_resident_memory_bytes",
    can_be=MEMORY,
    unit="bytes",
    help="Resident memory of the collector.",
)
PROCESS_VIRTUAL_MEMORY = _process_gauge(
    name="process_virtual_memory_bytes",
    can_be=MEMORY,
    unit="bytes",
    help="Virtual memory of the collector.",
)
PROCESS_START_TIME = _process_gauge(
    name="process_start_time_seconds",
    can_be=TIMESTAMP,
    unit="seconds",
    help="When the collector started, as a Unix time.",
)
PROCESS_OPEN_FDS = _process_gauge(
    name="process_open_fds",
    can_be=_MANY,
    help="File descriptors that the collector holds open.",
)
PROCESS_MAX_FDS = _process_gauge(
    name="process_max_fds",
    can_be=_AS_SET,
    help="File descriptors that the collector may open.",
)
PROCESS_THREADS = _process_gauge(
    name="process_threads",
    can_be=_MANY,
    help="Threads of the collector.",
)
