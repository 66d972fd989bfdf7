// Numbers and times for people. Base units come in; prefixes are added here.

const DECIMAL = ["", "k", "M", "G", "T", "P"];
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];

function scaled(value, base, prefixes) {
  let size = Math.abs(value), step = 0;
  while (size >= base && step < prefixes.length - 1) {
    size /= base;
    step += 1;
  }
  return [value / base ** step, prefixes[step]];
}

const short = (value) => (value === 0 ? "0" : String(Number(value.toPrecision(3))));

const UNITS = {
  bytes: (value) => { const [size, prefix] = scaled(value, 1024, BINARY); return `${short(size)} ${prefix}B`; },
  "bytes per second": (value) => { const [size, prefix] = scaled(value, 1024, BINARY); return `${short(size)} ${prefix}B/s`; },
  "bits per second": (value) => { const [size, prefix] = scaled(value, 1000, DECIMAL); return `${short(size)} ${prefix}bit/s`; },
  "per second": (value) => { const [size, prefix] = scaled(value, 1000, DECIMAL); return `${short(size)}${prefix ? ` ${prefix}` : ""}/s`; },
  seconds: (value) => (value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`),
  ratio: (value) => `${short(value * 100)} %`,
  watts: (value) => `${short(value)} W`,
  celsius: (value) => `${short(value)} °C`,
  vcpus: (value) => `${short(value)} vCPU`,
  hertz: (value) => { const [size, prefix] = scaled(value, 1000, DECIMAL); return `${short(size)} ${prefix}Hz`; },
  "": short,
};

/** Return a value with its unit; a dash for none. */
export function withUnit(value, unit) {
  return value === null || value === undefined ? "–" : (UNITS[unit] ?? short)(value);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const moment = (seconds) => CLOCK.format(new Date(seconds * 1000));

/** Return how long ago a moment was. */
export function age(seconds, now = Date.now() / 1000) {
  const passed = Math.max(0, now - seconds);
  if (passed < 90) return `${Math.round(passed)} seconds`;
  if (passed < 5400) return `${Math.round(passed / 60)} minutes`;
  if (passed < 129600) return `${Math.round(passed / 3600)} hours`;
  return `${Math.round(passed / 86400)} days`;
}
