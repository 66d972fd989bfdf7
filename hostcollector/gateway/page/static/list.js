// The list of VMs: is mine up? State, status checks, and its CPU of the last hour.

import { get } from "./api.js";
import { element, sparkline } from "./dom.js";
import { age } from "./format.js";
import { grid, summed } from "./series.js";

const HOUR = 3600;
const MOST_SPARKLINES = 20; // each is a request; further VMs have theirs on their own view

export async function showList(signal) {
  const [vms, until] = await everyVm(signal);
  const rows = vms.map((vm, position) => row(vm, position < MOST_SPARKLINES, signal));
  const table = element(
    "table",
    { class: "vms" },
    element("caption", { class: "id" }, vms.length === 1 ? "1 virtual machine" : `${vms.length} virtual machines`),
    element("thead", {}, element("tr", {}, ...["Name", "State", "Checks", "Running for", "CPU, last hour"].map(
      (text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows),
  );
  const empty = element("p", {}, "There are no virtual machines with data. A new one appears within two minutes.");
  return { nodes: [vms.length ? table : empty], title: "Virtual machines", until };
}

async function everyVm(signal) {
  const vms = [];
  let cursor = null, page;
  do {
    page = await get("vms", { limit: 1000, ...(cursor && { cursor }) }, signal);
    vms.push(...page.vms);
    cursor = page.next;
  } while (cursor);
  return [vms, page.data_until];
}

function row(vm, drawn, signal) {
  const cpu = element("td", {});
  if (drawn) draw(vm, cpu, signal);
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, element("a", { href: `#/vm/${vm.id}` }, vm.name || vm.id),
      vm.name ? element("div", { class: "id" }, vm.id) : null),
    element("td", {}, vm.state ?? "unknown"),
    element("td", {}, ...checks(vm)),
    element("td", {}, vm.started_at ? age(vm.started_at) : "–"),
    cpu,
  );
}

/** Return a word for each status check; a check that nothing is known of is not shown as passed. */
export function checks(vm) {
  return ["system", "instance"].map((check) => {
    const passed = vm.checks[check];
    const known = passed === true ? ["good", "passed"] : passed === false ? ["bad", "failed"] : ["unknown", "unknown"];
    return element("div", { class: known[0] }, `${check} ${known[1]}`);
  });
}

async function draw(vm, cell, signal) {
  const end = Date.now() / 1000;
  try {
    const answer = await get(`vms/${vm.id}/series`, { metric: "vm_cpu_seconds_total", start: end - HOUR, end }, signal);
    const times = grid(answer.step, end - HOUR, end);
    const values = summed(answer.series, times);
    if (values.some((value) => value !== null)) cell.append(sparkline(values, `CPU of ${vm.name || vm.id} in the last hour`));
  } catch (error) {
    if (!signal.aborted) cell.append("–");
  }
}
