// Elements. Text is always text: nothing that comes from the network becomes markup.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Return a small line of values; gaps are gaps. */
export function sparkline(values, label) {
  const known = values.filter((value) => value !== null);
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 100 20");
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", label);
  const highest = Math.max(...known, 1e-9);
  const width = 100 / Math.max(1, values.length - 1);
  let line = [];
  const finish = () => {
    if (line.length > 1) {
      const part = document.createElementNS(SVG, "polyline");
      part.setAttribute("points", line.join(" "));
      drawing.append(part);
    }
    line = [];
  };
  values.forEach((value, position) => {
    if (value === null) finish();
    else line.push(`${(position * width).toFixed(1)},${(19 - (18 * value) / highest).toFixed(1)}`);
  });
  finish();
  return drawing;
}
