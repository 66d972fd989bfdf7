// One VM: facts, and charts of a range of time that can be zoomed.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { SECTIONS } from "./charts.js";
import { element } from "./dom.js";
import { age, moment } from "./format.js";
import { checks } from "./list.js";
import { grid } from "./series.js";

const HOUR = 3600, DAY = 86400;
const RANGES = [["1 hour", HOUR], ["6 hours", 6 * HOUR], ["1 day", DAY], ["7 days", 7 * DAY], ["35 days", 35 * DAY]];
const MOST_POINTS = 360;
const ROUND_STEPS = [300, 600, 1800, 3600, 7200, 14400];

export async function showVm(id, query, signal) {
  const span = spanOf(query);
  const [vm, catalogue] = await Promise.all([get(`vms/${id}`, {}, signal), get("metrics", {}, signal)]);
  const known = new Set(catalogue.metrics.map((metric) => metric.name));
  const answers = await fetchAll(id, span, known, signal);
  const times = grid(answers.step ?? 60, span.start, span.end);
  const draws = [];
  const sections = SECTIONS.map((section) => shown(section, answers.found, times, draws, id)).filter(Boolean);
  const nothing = element("p", {}, "There is no data in this time.");
  return {
    nodes: [heading(vm), facts(vm), ranges(id, span), ...(sections.length ? sections : [nothing])],
    afterwards: () => draws.forEach((draw) => draw()),
    title: vm.name || vm.id,
    until: answers.until,
  };
}

function spanOf(query) {
  const now = Math.floor(Date.now() / 1000);
  const [from, to] = [query.get("from"), query.get("to")].map(Number);
  if (from > 0 && to > from) return { start: from, end: to, fixed: true };
  const range = Number(query.get("range")) || HOUR;
  return { start: now - range, end: now, range };
}

/** The plan's own step where that gives few enough points, else a round one. */
function stepOf({ start, end }) {
  const wanted = (end - start) / MOST_POINTS;
  return wanted <= 60 ? null : ROUND_STEPS.find((step) => step >= wanted) ?? ROUND_STEPS.at(-1);
}

async function fetchAll(id, span, known, signal) {
  const charts = SECTIONS.flatMap((section) => section.charts);
  const wanted = new Set(charts.flatMap((one) => one.parts.flatMap((part) => part.metrics)));
  const step = stepOf(span);
  const found = {};
  let until = null, used = null;
  await Promise.all([...wanted].map(async (metric) => {
    found[metric] = [];
    if (!known.has(metric)) return;
    const answer = await get(`vms/${id}/series`, { metric, start: span.start, end: span.end, ...(step && { step }) }, signal);
    found[metric] = answer.series;
    used = answer.step;
    until = Math.max(until ?? 0, answer.data_until ?? 0) || null;
  }));
  return { found, until, step: used };
}

function shown(section, found, times, draws, id) {
  const figures = [];
  for (const one of section.charts) {
    const lines = one.parts.flatMap((part) => part.lines(found, times)).filter((line) => line.values.some((value) => value !== null));
    if (lines.length === 0) continue;
    const { figure, draw } = chart(one, lines, times, (from, to) => { location.hash = `#/vm/${id}?from=${from}&to=${to}`; });
    figures.push(figure);
    draws.push(draw);
  }
  return figures.length && element("section", {}, element("h2", {}, section.title), element("div", { class: "charts" }, ...figures));
}

function heading(vm) {
  return element("div", {}, element("h2", {}, vm.name || vm.id), vm.name ? element("p", { class: "id" }, vm.id) : null);
}

function facts(vm) {
  const fact = (term, ...content) => element("div", {}, element("dt", {}, term), element("dd", {}, ...content));
  return element(
    "dl",
    { class: "facts" },
    fact("State", vm.state ?? "unknown"),
    fact("Status checks", ...checks(vm)),
    fact("Running here since", vm.started_at ? `${moment(vm.started_at)} (${age(vm.started_at)})` : "–"),
    fact("vCPUs", vm.vcpus === null ? "–" : String(vm.vcpus)),
  );
}

function ranges(id, span) {
  const button = (text, pressed, go) => element("button", { type: "button", "aria-pressed": String(pressed), onclick: go }, text);
  const buttons = RANGES.map(([text, range]) => button(text, span.range === range, () => { location.hash = `#/vm/${id}?range=${range}`; }));
  const zoomed = span.fixed ? element("span", {}, `${moment(span.start)} to ${moment(span.end)}`) : null;
  return element("nav", { class: "ranges", "aria-label": "Time range" }, ...buttons, zoomed);
}
