// One chart: lines drawn by uPlot, and the same values as a table for people who do not see it.

import { element } from "./dom.js";
import { withUnit } from "./format.js";
import { summary } from "./series.js";

const COLOURS = 8;
const HEIGHT = 180;
const DASHES = [[], [6, 4], [2, 3]]; // lines differ in more than colour

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Return the figure, and a function that draws once the figure is in the document. */
export function chart({ title, unit }, lines, times, zoomed) {
  const plot = element("div", { class: "plot", "aria-hidden": "true" });
  const latest = lines.map((line) => `${line.label} ${withUnit(summary(line.values).last, unit)}`);
  const figure = element(
    "figure",
    {},
    element("figcaption", {}, element("h3", {}, title), element("span", {}, latest.length > 3 ? `${latest.length} lines` : latest.join(", "))),
    plot,
    element("details", {}, element("summary", {}, `Values of ${title}`), table(lines, unit)),
  );
  const draw = () => {
    const drawn = new uPlot(options(unit, lines, plot.clientWidth, zoomed), [times, ...lines.map((line) => line.values)], plot);
    const fit = new ResizeObserver(() => drawn.setSize({ width: plot.clientWidth, height: HEIGHT }));
    fit.observe(figure);
  };
  return { figure, draw };
}

function options(unit, lines, width, zoomed) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: lines.length <= COLOURS }, // more are in the table below
    cursor: { sync: { key: "vm" }, drag: { setScale: false } },
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : 1] } },
    axes: [axis, { ...axis, size: 78, values: (_, ticks) => ticks.map((tick) => withUnit(tick, unit)) }],
    series: [{}, ...lines.map((line, position) => ({
      label: line.label,
      stroke: colour(`--series-${(position % COLOURS) + 1}`),
      dash: DASHES[Math.floor(position / COLOURS) % DASHES.length],
      width: 1.5,
      spanGaps: false,
      points: { show: false },
      value: (_, value) => withUnit(value, unit),
    }))],
    hooks: {
      setSelect: [(self) => {
        if (self.select.width < 8) return;
        const [from, to] = [self.select.left, self.select.left + self.select.width].map((at) => self.posToVal(at, "x"));
        zoomed(Math.floor(from), Math.ceil(to));
      }],
    },
  };
}

function table(lines, unit) {
  const cells = (line) => {
    const { low, mean, high, last } = summary(line.values);
    return [low, mean, high, last].map((value) => element("td", {}, withUnit(value, unit)));
  };
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...["Line", "Lowest", "Mean", "Highest", "Last"].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...lines.map((line) => element("tr", {}, element("th", { scope: "row" }, line.label), ...cells(line)))),
  );
}
