// Series of the API on a common grid of times. A missing point is null, and stays a gap.

/** Return the times of a span: multiples of the step. */
export function grid(step, start, end) {
  const times = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step) times.push(at);
  return times;
}

/** Return a series' values at the times. */
export function onGrid(points, times) {
  const at = new Map(points);
  return times.map((time) => at.get(time) ?? null);
}

/** Return the sum of all series at the times; null where one of them has no value. */
export function summed(series, times) {
  const parts = series.map((one) => onGrid(one.points, times));
  return times.map((_, position) => {
    const values = parts.map((part) => part[position]);
    return values.length === 0 || values.includes(null) ? null : values.reduce((sum, value) => sum + value, 0);
  });
}

/** Return one line divided by another; null where there is nothing to divide by. */
export function divided(over, under) {
  return over.map((value, position) => (value === null || !under[position] ? null : value / under[position]));
}

/** Return the lowest, mean, highest and last value that are known. */
export function summary(values) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { low: null, mean: null, high: null, last: null };
  return {
    low: Math.min(...known),
    mean: known.reduce((sum, value) => sum + value, 0) / known.length,
    high: Math.max(...known),
    last: known.at(-1),
  };
}
