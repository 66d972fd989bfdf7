"""GPUs, of guests and of hosts, by NVIDIA's driver or by their BMC."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity, both

GROUP = Group(
    name="gpus",
    component="gpu",
    scope=Scope.DEVICE,
    alerts=(
        Alert(
            name="GPUUnhealthy",
            expr=both("OF_gpu_health_id > 0"),
            lasts="5m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="$gpu has the health {{ if ge $value 2.0 }}critical{{ else }}warning{{ end }}, reported by its BMC",
            description="Check the event log of the baseboard for the reason, then the other alerts of this GPU. If the health is critical, move its guest away and take the GPU out of service.",
        ),
        Alert(
            name="GPUSRAMErrorsExceeded",
            expr=both("OF_gpu_sram_ecc_threshold_exceeded == 1"),
            severity=Severity.CRITICAL,
            summary="$gpu exceeded the vendor's limit of SRAM errors",
            description="Replace the GPU: move its guest away, assign the GPU to no other guest, and open a case with the vendor.",
        ),
        Alert(
            name="GPUThermalHeadroomLow",
            expr=both("OF_gpu_temperature_headroom_celsius < $gpu_headroom_celsius"),
            lasts="10m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="$gpu is {{ $value | humanize }} °C below thermal throttling",
            description="The GPU is close to its temperature limit. If its neighbours are hot too, check fans, inlet temperature and dust. Otherwise check its cooler.",
        ),
        Alert(
            name="GPUTemperatureHigh",
            expr=both(
                '(label_replace(OF_gpu_temperature_celsius, "sensor", "gpu", "", "") > $gpu_celsius unless on (job, instance, gpu) OF_gpu_temperature_headroom_celsius)',
                'label_replace(OF_gpu_memory_temperature_celsius, "sensor", "memory", "", "") > $gpu_memory_celsius',
            ),
            lasts="10m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="$gpu is at {{ $value | humanize }} °C ({{ $labels.sensor }})",
            description="The GPU will slow down soon and shut off later. If its neighbours are hot too, check fans, inlet temperature and dust. Otherwise check its cooler.",
        ),
        Alert(
            name="GPUThrottled",
            expr=both(
                'rate(OF_gpu_throttle_seconds_total{reason=~"thermal|board_limit|reliability|hardware"}[5m]) > $gpu_throttled_ratio',
                'OF_gpu_clocks_held{reason=~"hw_slowdown|hw_thermal|hw_power_brake"} == 1',
            ),
            lasts="10m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="$gpu is throttled by the hardware ({{ $labels.reason }})",
            description="The GPU runs slower than it could. For thermal reasons check temperature, fans and inlet air; for power brake check the power supplies. If all GPUs of a host throttle, the host is the cause.",
        ),
        Alert(
            name="GPUReset",
            expr="""\
increase(libvirt_domain_gpu_resets_total{phase="exit"}[15m]) > 0
unless on (job, instance, uuid) (time() - libvirt_domain_start_timestamp_seconds < 1200)
unless on (job, instance, uuid) (increase(libvirt_domain_events_total{event="reboot"}[20m]) > 0)""",
            keeps="15m",
            severity=Severity.WARNING,
            summary="GPU {{ $labels.gpu }} of $guest was reset while the guest was running ({{ $labels.kind }})",
            description="Work on the GPU was lost. If the tenant did not reset it, check the BMC's event log and the PCIe errors of the GPU. A GPU that is reset again and again has to be replaced.",
        ),
        Alert(
            name="GPULost",
            expr="hostcollector_host_gpu_lost == 1",
            lasts="1m",
            severity=Severity.CRITICAL,
            summary="GPU {{ $labels.gpu }} on {{ $labels.instance }} has fallen off the bus",
            description="Every vGPU on it is dead. Check `dmesg` for Xid 79 and PCIe errors, drain the host and restart it. Replace the GPU if it happens again.",
        ),
        Alert(
            name="GPUECCUncorrected",
            expr=both(
                'increase(OF_gpu_memory_ecc_errors_total{severity="uncorrected"}[15m]) > 0',
                '(increase(OF_gpu_ecc_errors_total{severity="uncorrected"}[15m]) > 0 unless on (job, instance, uuid, gpu) increase(OF_gpu_memory_ecc_errors_total[15m]))',
            ),
            severity=Severity.CRITICAL,
            summary="$gpu has had {{ $value | humanize }} uncorrected memory errors{{ with $labels.memory }} ({{ . }}){{ end }} in 15 minutes",
            description="Programs that used that memory were killed, or have wrong results. Check whether rows wait for a reset, move the work away and reset the GPU. Replace it if errors come back.",
        ),
        Alert(
            name="GPURowRemapPending",
            expr=both("OF_gpu_row_remapping_pending == 1", "OF_gpu_page_retirement_pending == 1"),
            lasts="5m",
            severity=Severity.WARNING,
            summary="$gpu needs a reset to replace bad memory rows",
            description="Until the reset the same rows can fail again. Drain the GPU and reset it (`nvidia-smi --gpu-reset`, or stop and start the guest that owns it).",
        ),
        Alert(
            name="GPURowRemapFailed",
            expr=both("OF_gpu_row_remapping_failed == 1"),
            severity=Severity.CRITICAL,
            summary="$gpu has no spare memory rows left",
            description="Replace the GPU: move its guest away, assign the GPU to no other guest, and open a case with the vendor.",
        ),
        Alert(
            name="NVLinkErrors",
            expr=both(
                'increase(OF_gpu_nvlink_errors_total{kind!~"symbol|transmit_discard"}[15m]) > $nvlink_errors',
                'increase(OF_gpu_nvlink_errors_total{kind=~"recovery|link_.*"}[15m]) > 0',
            ),
            keeps="30m",
            severity=Severity.WARNING,
            summary="$gpu has had {{ $value | humanize }} NVLink errors ({{ $labels.kind }}) in 15 minutes",
            description="Retransmissions slow the traffic between GPUs; all ranks of a job wait for it. Check `nvidia-smi nvlink -e` and the fabric manager log, and compare with the other end of the link.",
        ),
        Alert(
            name="NVLinkDown",
            expr=both("OF_gpu_nvlinks_expected - sum without (link) (OF_gpu_nvlink_up) > 0"),
            lasts="5m",
            keeps="5m",
            severity=Severity.CRITICAL,
            summary="{{ $value }} NVLinks of $gpu were up and are down",
            description="Jobs on several GPUs fail or run slowly. Check the fabric manager and the NVSwitches on the host, then reset the GPUs of the same partition together.",
        ),
        Alert(
            name="HostGPUMissing",
            expr="""\
(instance:hostcollector_gpus:max1d - instance:hostcollector_gpus:count > 0
  or instance:hostcollector_gpus:max1d unless instance:hostcollector_gpus:count)
and on (job, instance) up == 1""",
            lasts="5m",
            keeps="15m",
            severity=Severity.CRITICAL,
            scope=Scope.HOST,
            summary="{{ $labels.instance }} has {{ $value }} GPUs fewer on its PCI bus than within the last day",
            description="A GPU has fallen off the bus, or was taken out. Take the host out of scheduling; the kernel's log has the PCI address.",
        ),
        Alert(
            name="GPUNotObservable",
            expr="""\
max by (job, region, rack, instance, tenant, domain, uuid, gpu) (libvirt_domain_gpu_observable) == 0
and on (job, instance) hostcollector_host_redfish_up == 1""",
            lasts="30m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="No source sees GPU {{ $labels.gpu }} of $guest",
            description="The BMC answers, and does not report this GPU: its power, temperature and errors are unknown, and no alert on them can fire. `hostcollector diagnose` on the host says which map entry is missing.",
        ),
    ),
)
