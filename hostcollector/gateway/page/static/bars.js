// A bar for each day, in parts that lie on each other.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100, WIDTH = 10, GAP = 2;

function part(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Return a drawing of days with `amounts` by state; the states' names are the classes of the parts. Negative ones are left out. */
export function bars(days, states, label) {
  const total = ({ amounts }) => Object.values(amounts).reduce((sum, value) => sum + Math.max(value, 0), 0);
  const highest = Math.max(...days.map(total), 1e-9);
  const drawing = part("svg", {
    viewBox: `0 0 ${days.length * WIDTH} ${HEIGHT + 12}`, class: "bars", role: "img", "aria-label": label,
  });
  days.forEach((day, position) => {
    let top = HEIGHT;
    for (const state of states) {
      const height = ((day.amounts[state] ?? 0) / highest) * HEIGHT;
      if (height <= 0) continue;
      top -= height;
      drawing.append(part("rect", { x: position * WIDTH + GAP / 2, y: top, width: WIDTH - GAP, height, class: state }));
    }
    if (position % 5 === 0) {
      const text = part("text", { x: position * WIDTH + WIDTH / 2, y: HEIGHT + 10 });
      text.textContent = day.day.slice(8);
      drawing.append(text);
    }
  });
  return drawing;
}
