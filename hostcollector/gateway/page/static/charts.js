// What each chart of a VM shows: metrics of the catalogue, and how their series become lines.

import { divided, onGrid, summed } from "./series.js";

const DEVICES = ["disk", "nic", "gpu"];
const OWNER = ["tenant", "vm"];

const device = (labels) => DEVICES.filter((name) => name in labels).map((name) => `${name} ${labels[name]}`).join(" ");

const others = (labels) => Object.keys(labels).sort().filter((name) => ![...DEVICES, ...OWNER].includes(name)).map((name) => labels[name]);

/** Every label of a line is in its name: two lines of a chart never look the same. */
const named = (labels, word) => [device(labels), word, ...others(labels)].filter(Boolean).join(" ") || "value";

/** Lines of each series of a metric; `factor` changes the unit, `word` says which metric it is. */
function each(metric, word = "", factor = 1) {
  return {
    metrics: [metric],
    lines: (found, times) => found[metric].map((one) => ({
      label: named(one.labels, word),
      values: onGrid(one.points, times).map((value) => (value === null ? null : value * factor)),
    })),
  };
}

/** One line: all series of a metric together. */
function total(metric, label) {
  return {
    metrics: [metric],
    lines: (found, times) => (found[metric].length ? [{ label, values: summed(found[metric], times) }] : []),
  };
}

/** A line for each device: one metric divided by another, such as time by requests. */
function quotient(over, under, word) {
  return {
    metrics: [over, under],
    lines: (found, times) => found[over].map((one) => {
      const other = found[under].find((candidate) => device(candidate.labels) === device(one.labels));
      return { label: named(one.labels, word), values: divided(onGrid(one.points, times), onGrid(other?.points ?? [], times)) };
    }),
  };
}

/** Memory that the VM's kernel uses: all of it without what it could hand out. */
const memoryUsed = {
  metrics: ["vm_memory_total_bytes", "vm_memory_available_bytes"],
  lines: (found, times) => {
    const [all, available] = ["vm_memory_total_bytes", "vm_memory_available_bytes"].map((name) => summed(found[name], times));
    const values = all.map((value, position) => (value === null || available[position] === null ? null : value - available[position]));
    return [{ label: "used", values }];
  },
};

/** Sections in the order of a customer's questions. A chart without any line is left out. */
export const SECTIONS = [
  {
    title: "Is it up?",
    charts: [
      { title: "Status checks (1 passed, 0 failed)", unit: "", parts: [each("vm_status_check")] },
      { title: "Events", unit: "per second", parts: [each("vm_events_total")] },
    ],
  },
  {
    title: "Why is it slow?",
    charts: [
      { title: "CPU in use", unit: "vcpus", parts: [total("vm_cpu_seconds_total", "in use"), total("vm_vcpus", "vCPUs")] },
      { title: "CPU wait (ready, but not running)", unit: "vcpus", parts: [total("vm_cpu_wait_seconds_total", "waiting")] },
      { title: "Memory", unit: "bytes", parts: [memoryUsed, each("vm_memory_cache_bytes", "cache"), each("vm_memory_granted_bytes", "granted")] },
      { title: "Swapping", unit: "bytes per second", parts: [each("vm_memory_swap_in_bytes_total", "in"), each("vm_memory_swap_out_bytes_total", "out")] },
      {
        title: "Disk latency", unit: "seconds",
        parts: [
          quotient("vm_disk_read_time_seconds_total", "vm_disk_read_operations_total", "read"),
          quotient("vm_disk_write_time_seconds_total", "vm_disk_write_operations_total", "write"),
        ],
      },
      { title: "Disk data", unit: "bytes per second", parts: [each("vm_disk_read_bytes_total", "read"), each("vm_disk_write_bytes_total", "write"), each("vm_disk_limit_bytes_per_second", "limit")] },
      { title: "Disk requests", unit: "per second", parts: [each("vm_disk_read_operations_total", "read"), each("vm_disk_write_operations_total", "write"), each("vm_disk_limit_operations_per_second", "limit")] },
      { title: "Network", unit: "bits per second", parts: [each("vm_network_receive_bytes_total", "received", 8), each("vm_network_transmit_bytes_total", "sent", 8), each("vm_network_limit_bytes_per_second", "limit", 8)] },
      { title: "Dropped packets", unit: "per second", parts: [each("vm_network_receive_drops_total", "received"), each("vm_network_transmit_drops_total", "sent"), each("vm_network_limit_drops_total", "by the limit")] },
    ],
  },
  {
    title: "GPUs",
    charts: [
      { title: "GPU utilization", unit: "ratio", parts: [each("vm_gpu_utilization_ratio")] },
      { title: "GPU memory", unit: "bytes", parts: [each("vm_gpu_memory_used_bytes", "used"), each("vm_gpu_memory_bytes", "all")] },
      { title: "GPU power", unit: "watts", parts: [each("vm_gpu_power_watts")] },
      { title: "GPU temperature", unit: "celsius", parts: [each("vm_gpu_temperature_celsius")] },
      { title: "GPU clocks", unit: "hertz", parts: [each("vm_gpu_clock_hertz")] },
      { title: "GPU throttled (share of time)", unit: "ratio", parts: [each("vm_gpu_throttle_seconds_total")] },
      { title: "GPU errors", unit: "per second", parts: [each("vm_gpu_ecc_errors_total", "ECC"), each("vm_gpu_pcie_replays_total", "PCIe replays"), each("vm_gpu_nvlink_errors_total", "NVLink")] },
      { title: "NVLink", unit: "bytes per second", parts: [each("vm_gpu_nvlink_receive_bytes_total", "received"), each("vm_gpu_nvlink_transmit_bytes_total", "sent")] },
    ],
  },
];
