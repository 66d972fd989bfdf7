// The usage of a month: a bar for each day, and a table by VM. What is not final yet is marked.

import { get } from "./api.js";
import { bars } from "./bars.js";
import { element } from "./dom.js";
import { moment, withUnit } from "./format.js";

const HOUR = 3600, GIB = 1024 ** 3;
const short = (value) => value.toLocaleString(undefined, { maximumSignificantDigits: 4 });
const hours = (seconds) => `${short(seconds / HOUR)} h`;
const bytes = (value) => withUnit(value, "bytes");
const gpuSeconds = (row) => (row.gpus.length ? row.gpus.reduce((sum, gpu) => sum + gpu.seconds, 0) : undefined);
const meter = (name) => (row) => row.meters[name];

/** What is shown: a title, how a row's amount is found (undefined for unknown), and how it is written. */
const AMOUNTS = [
  ["VM hours", meter("running_seconds"), hours],
  ["vCPU hours", meter("vcpu_allocated_seconds"), hours],
  ["Memory, GiB hours", meter("memory_allocated_byte_seconds"), (value) => short(value / GIB / HOUR)],
  ["GPU hours", gpuSeconds, hours],
  ["Disk read", meter("disk_read_bytes"), bytes],
  ["Disk written", meter("disk_written_bytes"), bytes],
  ["Network received", meter("network_received_bytes"), bytes],
  ["Network sent", meter("network_transmitted_bytes"), bytes],
  ["RDMA received", meter("rdma_received_bytes"), bytes],
  ["RDMA sent", meter("rdma_transmitted_bytes"), bytes],
];
const STATES = ["final", "provisional", "adjustment"];

export async function showUsage(query, signal) {
  const month = /^20\d\d-(0[1-9]|1[0-2])$/.test(query.get("month")) ? query.get("month") : new Date().toISOString().slice(0, 7);
  const [days, vms] = await Promise.all(["day", "vm"].map((by) => get("usage", { month, by }, signal)));
  const known = AMOUNTS.filter(([, amount]) => vms.rows.some((row) => amount(row) !== undefined));
  const chosen = known.find(([title]) => title === query.get("amount")) ?? known[0];
  const empty = element("p", {}, "There is no usage in this month. The usage of an hour appears some minutes after its end.");
  const shown = chosen ? [choice(known, chosen, month), byDay(month, days.rows, chosen), byVm(vms.rows, known)] : [empty];
  return {
    nodes: [heading(month), certainty(vms), ...shown, service(vms.service)],
    title: `Usage in ${monthName(month)}`,
    what: "Usage is final",
    until: vms.final_until ? Date.parse(vms.final_until) / 1000 : null,
  };
}

function monthName(month) {
  return new Date(`${month}-01T00:00:00Z`).toLocaleDateString(undefined, { month: "long", year: "numeric", timeZone: "UTC" });
}

function heading(month) {
  const other = (step) => {
    const [year, number] = month.split("-").map(Number);
    return new Date(Date.UTC(year, number - 1 + step, 1)).toISOString().slice(0, 7);
  };
  const link = (step) => element("a", { href: `#/usage?month=${other(step)}` }, monthName(other(step)));
  return element("div", {}, element("h2", {}, `Usage in ${monthName(month)} (UTC)`),
    element("nav", { class: "ranges", "aria-label": "Months" }, link(-1), link(1)));
}

function certainty(answer) {
  const provisional = answer.rows.some((row) => row.state === "provisional");
  const adjusted = answer.rows.some((row) => row.state === "adjustment");
  const sentences = [
    answer.final_until ? `Hours until ${moment(Date.parse(answer.final_until) / 1000)} are final.` : "No hour is final yet.",
    provisional ? "Provisional amounts may still change." : "",
    adjusted ? "Adjustments belong to earlier hours; they were reported late and count in this month." : "",
  ];
  return element("p", { class: "quiet" }, sentences.filter(Boolean).join(" "));
}

function choice(known, chosen, month) {
  const pick = element("select", { id: "amount", onchange: (event) => {
    location.hash = `#/usage?month=${month}&amount=${encodeURIComponent(event.target.value)}`;
  } }, ...known.map(([title]) => element("option", { value: title, selected: title === chosen[0] }, title)));
  return element("p", {}, element("label", { for: "amount" }, "Amount by day: "), pick);
}

/** Return the amounts by state that rows have; a state without any is not there. */
function byState(rows, amount) {
  const found = {};
  for (const row of rows) {
    const value = amount(row);
    if (value !== undefined) found[row.state] = (found[row.state] ?? 0) + value;
  }
  return found;
}

function byDay(month, rows, [title, amount, written]) {
  const [year, number] = month.split("-").map(Number);
  const count = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const days = Array.from({ length: count }, (_, position) => {
    const day = `${month}-${String(position + 1).padStart(2, "0")}`;
    return { day, amounts: byState(rows.filter((row) => row.start.startsWith(day)), amount) };
  });
  const cell = (value) => element("td", {}, value === undefined ? "–" : written(value));
  const table = element("table", {},
    element("caption", { class: "id" }, `${title} by day`),
    element("thead", {}, element("tr", {}, ...["Day", ...STATES].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...days.filter(({ amounts }) => Object.keys(amounts).length).map(({ day, amounts }) =>
      element("tr", {}, element("th", { scope: "row" }, day), ...STATES.map((state) => cell(amounts[state]))))));
  return element("figure", { class: "days" },
    element("figcaption", {}, element("h3", {}, `${title} by day`), element("span", {}, "outlined: provisional")),
    bars(days, STATES, `${title} of each day; the table below has the values`),
    element("details", {}, element("summary", {}, `Values of ${title} by day`), table));
}

function byVm(rows, known) {
  const vms = new Map();
  for (const row of rows) vms.set(row.vm, [...(vms.get(row.vm) ?? []), row]);
  const line = ([vm, own]) => {
    const states = STATES.filter((state) => state !== "final" && own.some((row) => row.state === state));
    const sums = known.map(([title, amount, written]) => {
      const found = Object.values(byState(own, amount));
      return element("td", { "data-label": title }, found.length ? written(found.reduce((sum, value) => sum + value)) : "–");
    });
    const name = own[0].name || vm || "removed VMs";
    return element("tr", {},
      element("th", { scope: "row" }, vm ? element("a", { href: `#/vm/${vm}` }, name) : name,
        own[0].name ? element("div", { class: "id" }, vm) : null),
      element("td", { "data-label": "State" }, states.length ? `with ${states.join(" and ")} amounts` : "final"),
      ...sums);
  };
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Usage by VM" }, element("table", { class: "vms usage" },
    element("caption", { class: "id" }, "By VM"),
    element("thead", {}, element("tr", {}, ...["VM", "State", ...known.map(([title]) => title)].map(
      (text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...[...vms].map(line))));
}

function service(plans) {
  if (!plans.length) return element("p", {});
  const text = ({ plan, monitored_vm_seconds: seconds, requests, bytes: size }) =>
    `${plan || "no plan"}: ${hours(seconds)} of VMs monitored, ${requests.toLocaleString()} requests, ${bytes(size)} read`;
  return element("section", {}, element("h2", {}, "The metrics service itself"),
    element("ul", {}, ...plans.map((plan) => element("li", {}, text(plan)))));
}
