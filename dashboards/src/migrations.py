"""The board that answers: which guests are being moved, do the moves end, and what do they cost the guests."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Query, Row, Table, Target, graph, number
from dashboards.src.queries import NAMES
from dashboards.src.variables import Scope

_RUNNING = "(libvirt_domain_job_info_type{HOST} == 1 or libvirt_domain_job_info_type{HOST} == 2)"
_KEY = "by (tenant, domain, uuid, instance)"
_ENDED = "operation:hostcollector_host_domain_jobs:sum_rate5m"


def _while_running(metric: str) -> str:
    """Return a value of the guests that have a job."""
    return f"max {_KEY} (libvirt_domain_job_info_{metric}{{HOST}} and on (job, instance, uuid) {_RUNNING})"


def _quantile(quantile: float, what: str) -> Query:
    return Query(
        f"histogram_quantile({quantile}, sum by (operation, le)"
        f" (operation:hostcollector_host_domain_job_{what}_seconds_bucket:sum_rate5m{{FLEET}})) > 0",
        f"{{{{operation}}}} p{quantile * 100:.0f}",
    )


_NOW = Row(
    title="Now",
    panels=(
        number(
            "Running jobs",
            "Guests that are being migrated, saved, dumped or backed up.",
            f"count({_RUNNING}) or vector(0)",
        ),
        number(
            "Throttled migrations",
            "Migrations for which auto-converge stops the vCPUs. Bad: above half of the time, the guest is hardly usable.",
            "count(libvirt_domain_job_info_throttle_ratio{HOST} > 0) or vector(0)",
            warn=1,
        ),
        number(
            "Migrations that do not end",
            "Migrations whose guest changes its memory faster than it is moved. Bad: any for long.",
            "count(libvirt_domain_job_info_dirty_bytes_per_second{HOST}"
            " > libvirt_domain_job_info_memory_bytes_per_second{HOST}) or vector(0)",
            warn=1,
        ),
        number(
            "Failed in the range",
            "Jobs that failed or were cancelled over the range. Bad: many of one hypervisor.",
            f'sum(avg_over_time({_ENDED}{{FLEET, result="failed"}}[$__range])) * $__range_s or vector(0)',
            decimals=0,
            warn=1,
        ),
        number(
            "Completed in the range",
            "Jobs that ended well over the range.",
            f'sum(avg_over_time({_ENDED}{{FLEET, result="completed"}}[$__range])) * $__range_s or vector(0)',
            decimals=0,
        ),
        number(
            "Running block jobs",
            "Copies and commits of disks. At 100 % they wait for their end.",
            "count(libvirt_domain_block_job_progress_ratio{HOST}) or vector(0)",
        ),
        Table(
            title="Running jobs",
            description="Jobs of guests. Bad: memory that changes faster than it is moved, a throttle above 50 %, an age of"
            " hours.",
            columns=(
                Column("Server", "server", leads_to=Target.GUEST),
                Column("Project", "project"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("UUID", "uuid", hidden=True),
                Column("Guest", "domain", hidden=True),
                Column("Operation", "operation"),
                Column(
                    "Is",
                    expr=f"max by (tenant, domain, uuid, instance, server, project) ({NAMES}{{HOST}}"
                    f" and on (job, instance, uuid) {_RUNNING})",
                    hidden=True,
                ),
                Column(
                    "Does",
                    expr="max by (tenant, domain, uuid, instance, operation) (libvirt_domain_job_operation_info{HOST})",
                    hidden=True,
                ),
                Column("Age", expr=_while_running("time_elapsed_seconds"), unit="s", warn=1800, bad=7200),
                Column("Left", expr=_while_running("data_remaining_bytes"), unit="bytes"),
                Column("Changes", expr=_while_running("dirty_bytes_per_second"), unit="Bps"),
                Column("Moves", expr=_while_running("memory_bytes_per_second"), unit="Bps"),
                Column("Iteration", expr=_while_running("iteration"), warn=10),
                Column(
                    "Throttle", expr=_while_running("throttle_ratio"), unit="percentunit", warn=0.2, bad=0.5
                ),
                Column(
                    "Downtime expected",
                    expr=_while_running("downtime_expected_seconds"),
                    unit="s",
                    warn=0.3,
                    bad=1,
                ),
            ),
            sort="Age",
            empty="no job",
        ),
        Table(
            title="Running block jobs",
            description="Copies and commits of disks. Bad: one without progress, or that waits at 100 % for days.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Disk", "target_device"),
                Column("Operation", "operation"),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Done",
                    expr="max by (tenant, domain, uuid, instance, target_device, operation)"
                    " (libvirt_domain_block_job_progress_ratio{HOST})",
                    unit="percentunit",
                ),
                Column(
                    "Left",
                    expr="max by (tenant, domain, uuid, instance, target_device, operation)"
                    " (libvirt_domain_block_job_remaining_bytes{HOST})",
                    unit="bytes",
                ),
            ),
            sort="Left",
            height=6,
            empty="no block job",
        ),
    ),
)
_ENDS = Row(
    title="Jobs that ended (all hypervisors of the chosen zones)",
    panels=(
        graph(
            "Jobs that ended",
            "Jobs per hour, by operation and result. Bad: failed.",
            Query(f"3600 * sum by (operation, result) ({_ENDED}{{FLEET}}) > 0", "{{operation}} {{result}}"),
            width=8,
            empty="none",
        ),
        graph(
            "Duration",
            "Half and nine of ten jobs took no longer. Bad: migrations that grow from day to day.",
            _quantile(0.5, "duration"),
            _quantile(0.9, "duration"),
            unit="s",
            width=8,
            empty="none",
        ),
        graph(
            "Downtime of migrations",
            "Half and nine of ten guests were paused no longer. Bad: above 1 s.",
            _quantile(0.5, "downtime"),
            _quantile(0.9, "downtime"),
            unit="s",
            warn=0.3,
            bad=1,
            width=8,
            empty="none",
        ),
        Table(
            title="Failed jobs by hypervisor",
            description="The twenty hypervisors with most failed jobs over the range. Bad: many on one.",
            columns=(
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Region", "region"),
                Column("Operation", "operation"),
                Column(
                    "Failed",
                    expr="topk(20, sum by (region, instance, operation)"
                    ' (increase(hostcollector_host_domain_jobs_total{HOST, result="failed"}[$__range])) > 0)',
                    decimals=0,
                    bad=3,
                ),
            ),
            sort="Failed",
            width=8,
            empty="none",
        ),
        Table(
            title="Guests that moved most",
            description="Migrations of a guest over the range, the twenty most. Bad: many; two hypervisors pass it to each other.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Migrations",
                    expr="topk(20, changes(uuid:libvirt_domain_migrated_start_timestamp_seconds:max{JOB}[$__range]) > 0)",
                    warn=3,
                    bad=12,
                ),
            ),
            sort="Migrations",
            width=8,
            empty="none moved twice",
        ),
        Table(
            title="Downtime of last migrations",
            description="The twenty guests that were paused longest by the migration that brought them here. Bad: above 1 s.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Downtime",
                    expr=f"topk(20, max {_KEY} (libvirt_domain_last_migration_downtime_seconds{{HOST}}))",
                    unit="s",
                    warn=0.3,
                    bad=1,
                ),
            ),
            sort="Downtime",
            width=8,
            empty="no guest came by migration",
        ),
    ),
)

BOARD = Board(
    name="migrations",
    title="Migrations and jobs",
    description="Which guests are migrated, saved or backed up, do the jobs end, and what do they cost the guests?",
    scope=Scope.FLEET,
    rows=(_NOW, _ENDS),
)
