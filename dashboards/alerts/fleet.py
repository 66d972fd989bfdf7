"""Many hosts at a time: one alert for the cause. It inhibits those of the single hosts and guests (alertmanager.yml)."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

RACK_DOWN = """\
count by (job, $place, rack) (up{rack!=""} == 0) / count by (job, $place, rack) (up{rack!=""}) >= $rack_ratio
and count by (job, $place, rack) (up{rack!=""} == 0) >= $fleet_hosts"""
# A rack without power has a tenth of the hosts of many a region: its own alert is about them, and names it.
ELSEWHERE_DOWN = f"""\
count by (job, $place) (up == 0 unless on (job, $place, rack) (
{RACK_DOWN}))"""

STALLED = """\
count by (job, $place, storage) (
  (storage:hostcollector_waiting_guests:count >= $storage_guests
    and storage:hostcollector_waiting_guests:count / storage:hostcollector_guests:count >= $storage_guests_ratio)
  or (storage:hostcollector_slow_guests:count >= $storage_guests
    and storage:hostcollector_slow_guests:count / storage:hostcollector_busy_guests:count >= $storage_guests_ratio)
) >= $storage_hosts"""
# Hosts that use such a storage are behind the alert that names it.
HANG_ELSEWHERE = f"""\
count by (job, $place) (instance:hostcollector_blocked_guests:count > 0 unless on (job, $place, instance) (
storage:hostcollector_guests:count and on (job, $place, storage) (
{STALLED})))"""
# What a guest shows while its storage stalls: alertmanager.yml hides these behind the guest's alert below.
_BY_STORAGE = "Guest(MonitorBlocked|PausedOnIOError|Disk.+|SystemCheckFailed|InstanceCheckFailed|WatchdogFired|BalloonStatsStale|MigrationStuck)"

GROUP = Group(
    name="fleet",
    component="collector",
    scope=Scope.FLEET,
    interval="30s",  # before the alerts about single guests and hosts, which these silence
    alerts=(
        Alert(
            name="Watchdog",
            expr="vector(1)",
            severity=Severity.INFO,
            component="monitoring",
            summary="The alerting of this fleet works",
            description="This alert always fires. A receiver outside must page when it stops coming: then Prometheus, Alertmanager or the way between them is broken.",
        ),
        Alert(
            name="FleetTargetsMissing",
            expr="""\
absent(up)
or count by (job, $place) (up) < $expected_hosts""",
            lasts="5m",
            severity=Severity.CRITICAL,
            component="monitoring",
            summary="Prometheus scrapes too few hosts of the fleet{{ with $labels.region }} in {{ . }}{{ end }}",
            description="No alert of these hosts can fire. Check the service discovery and its last change.",
        ),
        Alert(
            name="FleetHostsDown",
            expr=f"""\
{ELSEWHERE_DOWN} / count by (job, $place) (up) > $fleet_ratio
and {ELSEWHERE_DOWN} >= $fleet_hosts""",
            lasts="1m",
            keeps="5m",
            severity=Severity.CRITICAL,
            summary="{{ $value | humanizePercentage }} of the fleet's hosts{{ with $labels.region }} in {{ . }}{{ end }} do not answer",
            description="Look for what they share: a network, a power feed, a certificate, a rollout. Their guests may be fine.",
        ),
        Alert(
            name="RackHostsDown",
            expr=RACK_DOWN,
            lasts="1m",
            keeps="5m",
            severity=Severity.CRITICAL,
            scope=Scope.RACK,
            component="chassis",
            summary="{{ $value | humanizePercentage }} of the hosts of rack {{ $labels.rack }} do not answer: power or top-of-rack switch of the fleet's rack",
            description="Several hosts of one rack at once share a cause. Call the data centre for power and cooling, and the network team for the switch.",
        ),
        Alert(
            name="FleetLibvirtDown",
            expr="""\
count by (job, $place) (libvirt_up == 0) / count by (job, $place) (libvirt_up) > $fleet_ratio
and count by (job, $place) (libvirt_up == 0) >= $fleet_hosts""",
            lasts="1m",
            keeps="10m",
            severity=Severity.CRITICAL,
            component="libvirt",
            summary="libvirt does not answer on {{ $value | humanizePercentage }} of the fleet's hosts{{ with $labels.region }} in {{ . }}{{ end }}",
            description="Most often an upgrade of libvirt is under way, or a shared storage hangs. Guests run on; they cannot be started, stopped or migrated.",
        ),
        Alert(
            name="FleetSourceDown",
            expr="""\
count by (job, $place, source) (hostcollector_source_up == 0)
/ count by (job, $place, source) (hostcollector_source_up) > $fleet_ratio
and count by (job, $place, source) (hostcollector_source_up == 0) >= $fleet_hosts""",
            lasts="3m",
            keeps="10m",
            severity=Severity.WARNING,
            summary="The source {{ $labels.source }} is down on {{ $value | humanizePercentage }} of the fleet's hosts{{ with $labels.region }} in {{ . }}{{ end }}",
            description="The hosts share what this source reads: a controller, a password, a kernel or a rollout.",
        ),
        Alert(
            name="StorageStalled",
            expr=STALLED,
            lasts="30s",
            keeps="10m",
            severity=Severity.CRITICAL,
            component="storage",
            scope=Scope.STORAGE,
            summary="Storage {{ $labels.storage }} stalls guests on {{ $value }} hosts of the fleet{{ with $labels.region }} in {{ . }}{{ end }}",
            description="On each of these hosts most guests with disks there hang, are paused by an I/O error, or wait more than the limit for a request. The storage is the cause: page the storage team. Do not restart guests.",
        ),
        Alert(
            name="GuestOnStalledStorage",
            expr=f"""\
max by (job, $place, instance, tenant, domain, uuid, storage) (target_device:libvirt_domain_block_storage:info)
and on (job, $place, storage) (
{STALLED})
and on (job, instance, uuid) ALERTS{{alertname=~"{_BY_STORAGE}"}}""",
            keeps="10m",
            severity=Severity.INFO,
            component="storage",
            scope=Scope.GUEST,
            summary="Alerts of $guest have the cause that StorageStalled names: storage {{ $labels.storage }}",
            description="This alert is for Alertmanager: it hides the guest's own alerts, and its host's, while StorageStalled fires. It is never notified itself.",
        ),
        Alert(
            name="FleetGuestsBlocked",
            expr=f"""\
{HANG_ELSEWHERE} / count by (job, $place) (libvirt_up) > $fleet_ratio
and {HANG_ELSEWHERE} >= $fleet_hosts""",
            lasts="30s",
            keeps="10m",
            severity=Severity.CRITICAL,
            component="compute",
            summary="QEMUs hang on {{ $value | humanizePercentage }} of the fleet's hosts{{ with $labels.region }} in {{ . }}{{ end }}",
            description="So many hosts at once share a cause: a storage, a network, an upgrade. StorageStalled names the storage where it is one.",
        ),
        Alert(
            name="FleetGuestsUnassigned",
            expr="""\
count by (job, $place) (hostcollector_domains_unassigned > 0)
/ count by (job, $place) (hostcollector_domains_unassigned) > $fleet_ratio
and count by (job, $place) (hostcollector_domains_unassigned > 0) >= $fleet_hosts""",
            lasts="5m",
            keeps="15m",
            severity=Severity.WARNING,
            component="tenancy",
            summary="Guests without a tenant run on {{ $value | humanizePercentage }} of the fleet's hosts{{ with $labels.region }} in {{ . }}{{ end }}",
            description="The way to the tenant is broken for many: a changed metadata format, a map file, OVN. Their use is not billed until it works again.",
        ),
        Alert(
            name="FleetGuestsEnded",
            expr="""\
count by (job, $place) (instance:hostcollector_ended_guests:count > 0)
/ count by (job, $place) (libvirt_up) > $fleet_ratio
and count by (job, $place) (instance:hostcollector_ended_guests:count > 0) >= $fleet_hosts""",
            keeps="15m",
            severity=Severity.CRITICAL,
            component="compute",
            summary="QEMUs have died on {{ $value | humanizePercentage }} of the fleet's hosts{{ with $labels.region }} in {{ . }}{{ end }} in 15 minutes",
            description="So many at once share a cause: an upgrade of QEMU, a microcode, systemd-oomd, a storage. Stop every rollout first.",
        ),
        Alert(
            name="GuestOnTwoHosts",
            expr="""\
count by (job, tenant, domain, uuid) (libvirt_domain_info_vstate == 1) > 1""",
            lasts="15m",
            severity=Severity.CRITICAL,
            component="compute",
            scope=Scope.GUEST,
            summary='Guest {{ $labels.domain }} (tenant {{ or $labels.tenant "unassigned" }}) runs on {{ $value }} hosts of the fleet',
            description="Two copies that write to one disk destroy it. A migration would have ended by now. Find out which copy the control plane knows before anything is stopped.",
        ),
        Alert(
            name="HostcollectorVersionSkew",
            expr="count by (job) (count by (job, version) (hostcollector_build_info)) > 1",
            lasts="6h",
            severity=Severity.INFO,
            summary="{{ $value }} versions of hostcollector run in the fleet",
            description="A rollout stopped half-way, or missed a host. List the versions with `count by (version, instance) (hostcollector_build_info)`, then finish or roll back.",
        ),
    ),
)
