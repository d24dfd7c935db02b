// Numbers as people read them.

/** A share, 0 to 1, in percent; certainty is never claimed. */
export function percent(share) {
  const value = 100 * share;
  if (value > 99.9) return "over 99.9 %";
  return value >= 99 || (value < 1 && value > 0) ? `${value.toFixed(1)} %` : `${value.toFixed(0)} %`;
}

/** A share of the ground, 0 to 1, in percent. */
export function coverage(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "under 0.1 %";
  return `${value.toFixed(value < 99.95 ? 1 : 0)} %`;
}

/** Three digits, without needless zeros. */
export function round(value) {
  return String(Number(value.toPrecision(3)));
}

/** A whole number with its thousands apart. */
export function count(value) {
  return value.toLocaleString("en");
}

/** A number of pixels, in few digits. */
export function pixels(value) {
  const few = { notation: "compact", maximumSignificantDigits: 3 };
  return `${value < 9999.5 ? count(Math.round(value)) : value.toLocaleString("en", few)} px`;
}

/** Square meters, in the unit that suits. */
export function area(squareMeters) {
  if (squareMeters < 10) return `${squareMeters.toFixed(1)} m²`;
  if (squareMeters < 9995) return `${count(Math.round(squareMeters))} m²`;
  if (squareMeters < 1e6) return `${Number((squareMeters / 1e4).toPrecision(3))} ha`;
  return `${Number((squareMeters / 1e6).toPrecision(3))} km²`;
}

/** A number of bytes. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 2 ** (10 * step);
  return `${value < 10 && step ? value.toFixed(1) : value.toFixed(0)} ${units[step]}`;
}

/** A time span. */
export function span(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
