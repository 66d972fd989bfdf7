"""The collector itself: whether it answers, and whether its page is complete."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="collector",
    component="collector",
    scope=Scope.HOST,
    alerts=(
        Alert(
            name="HostcollectorDown",
            expr="up == 0",
            lasts="2m",
            severity=Severity.CRITICAL,
            summary="hostcollector on {{ $labels.instance }} does not answer",
            description="Prometheus gets no metrics of this hypervisor's guests; the guests may be fine. Check that the host answers, then run `systemctl status hostcollector` on it.",
        ),
        Alert(
            name="LibvirtDown",
            expr="libvirt_up == 0",
            lasts="2m",
            component="libvirt",
            severity=Severity.CRITICAL,
            summary="libvirt on {{ $labels.instance }} does not answer",
            description="Guests keep running, but they cannot be started, stopped or migrated. Their disk and balloon series are missing. First run `systemctl status virtqemud libvirtd` on the host.",
        ),
        Alert(
            name="HostcollectorSourceDown",
            expr="""\
hostcollector_source_up == 0
unless on (job, instance, source) (
  hostcollector_source_up{source=~"libvirt_state|libvirt_monitor"} and on (job, instance) libvirt_up == 0
)""",
            lasts="5m",
            keeps="10m",
            severity=Severity.WARNING,
            summary="Source {{ $labels.source }} of hostcollector on {{ $labels.instance }} is down",
            description="Its series are missing; other sources continue. Run `hostcollector diagnose` on the host: it shows the cause and the fix.",
        ),
        Alert(
            name="HostcollectorSeriesNearLimit",
            expr="sum without (source) (hostcollector_source_samples) / hostcollector_series_limit > $series_limit_ratio",
            lasts="15m",
            severity=Severity.WARNING,
            summary="The page of {{ $labels.instance }} has used {{ $value | humanizePercentage }} of its series limit",
            description='Series above `collection.series_limit` are dropped. Find the source that grows with `topk(3, hostcollector_source_samples{instance="{{ $labels.instance }}"})`, then raise the limit or switch a source off.',
        ),
        Alert(
            name="HostcollectorSeriesDropped",
            expr='hostcollector_series_dropped{reason=~"over_limit|duplicate"} > 0',
            lasts="5m",
            severity=Severity.WARNING,
            summary="{{ $value }} series are missing from the page of {{ $labels.instance }} ({{ $labels.reason }})",
            description="`over_limit`: raise `collection.series_limit`. `duplicate`: a bug in the collector; report it with the output of `hostcollector collect`.",
        ),
        Alert(
            name="HostcollectorValuesImplausible",
            expr="increase(hostcollector_implausible_values_total[15m]) > 0",
            lasts="1h",
            severity=Severity.INFO,
            summary="Values of the source {{ $labels.source }} on {{ $labels.instance }} are impossible and are dropped",
            description="A device, its firmware or a guest's driver reports impossible values. `hostcollector diagnose` lists the metrics, with an example.",
        ),
        Alert(
            name="HostcollectorBaselinesUnsaved",
            expr="hostcollector_baselines_unsaved == 1",
            lasts="10m",
            severity=Severity.WARNING,
            summary="hostcollector on {{ $labels.instance }} cannot write its state directory",
            description="After a restart, counters of VFs and GPUs would start at 0. Check that `paths.state_directory` exists, that the account can write to it, and that its file system is not full.",
        ),
        Alert(
            name="HostcollectorMapStale",
            expr="hostcollector_map_stale == 1",
            lasts="15m",
            severity=Severity.WARNING,
            summary="hostcollector on {{ $labels.instance }} cannot read its map of {{ $labels.map }}",
            description="The previous map stays in use, without the latest changes. Run `hostcollector check-config /etc/hostcollector/hostcollector.yml` on the host: it lists every mistake.",
        ),
        Alert(
            name="FabricControllerSilent",
            expr="""\
label_replace(hostcollector_ndfc_age_seconds, "service", "NDFC", "", "") > $controller_silent_seconds
or label_replace(hostcollector_ufm_age_seconds, "service", "UFM", "", "") > $controller_silent_seconds""",
            lasts="15m",
            component="network",
            keeps="10m",
            severity=Severity.WARNING,
            summary="{{ $labels.service }} has not answered hostcollector on {{ $labels.instance }} for {{ $value | humanizeDuration }}",
            description="Names of networks and partitions are that old. Run `hostcollector diagnose` on the host: it shows whether the host name, the certificate or the password is wrong, or the service is unreachable.",
        ),
        Alert(
            name="HostcollectorSourcePartial",
            expr="hostcollector_source_partial == 1",
            lasts="1h",
            keeps="15m",
            severity=Severity.WARNING,
            summary="Source {{ $labels.source }} of hostcollector on {{ $labels.instance }} has lacked items for an hour",
            description="A guest or a device that should be there is missing from its answer, so its alerts cannot fire. `hostcollector diagnose` on the host names it and why.",
        ),
        Alert(
            name="HostcollectorScrapeSlow",
            expr="scrape_duration_seconds > 0.8 * $scrape_timeout_seconds",
            lasts="15m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="A scrape of {{ $labels.instance }} takes {{ $value | humanizeDuration }}, more than 80 % of its timeout",
            description="Above the limit the host's series and alerts are gone. `hostcollector diagnose` on the host shows which source is slow.",
        ),
        Alert(
            name="HostcollectorInventoryStale",
            expr="hostcollector_inventory_age_seconds > $inventory_stale_seconds",
            lasts="5m",
            severity=Severity.WARNING,
            summary="hostcollector on {{ $labels.instance }} has not seen libvirt's list of guests for {{ $value | humanizeDuration }}",
            description="New guests may be missing, and ended ones still listed. `hostcollector diagnose` on the host shows what libvirt answers.",
        ),
        Alert(
            name="HostcollectorUnknownFields",
            expr="hostcollector_libvirt_unknown_fields > 0",
            lasts="1d",
            severity=Severity.INFO,
            summary="libvirt on {{ $labels.instance }} reports {{ $value }} statistics that hostcollector does not know",
            description="This libvirt is newer than the collector. Nothing is wrong; a newer collector may show more.",
        ),
        Alert(
            name="CertificateExpires",
            expr="hostcollector_certificate_expiry_timestamp_seconds - time() < 86400 * $certificate_days",
            lasts="1h",
            severity=Severity.WARNING,
            summary="A certificate of hostcollector on {{ $labels.instance }} ({{ $labels.setting }}) ends in {{ $value | humanizeDuration }}",
            description="After that Prometheus gets no metrics of this host, or hostcollector none of the BMC or the controller. Put a new certificate in its place; no restart is needed.",
        ),
        Alert(
            name="HostcollectorReloadFailed",
            expr="hostcollector_config_last_reload_successful == 0",
            lasts="15m",
            severity=Severity.WARNING,
            summary="hostcollector on {{ $labels.instance }} has refused its changed configuration",
            description="The configuration of before is in use. Run `hostcollector check-config --host` on the host: it lists every mistake.",
        ),
    ),
)
