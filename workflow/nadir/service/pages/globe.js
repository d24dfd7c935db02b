// Where a pixel lies on the globe, from the corners that the service tells of an image.

import { clamp } from "./tiles.js";

const METERS_PER_DEGREE = 111_320;

/** Longitude and latitude of a position in pixels; null where the service tells none. */
export function onGlobe({ width, height, corners }, x, y) {
  if (!corners) return null;
  const parts = corners.length - 1;
  const [across, down] = [(parts * x) / width, (parts * y) / height];
  const column = clamp(Math.floor(across), 0, parts - 1);
  const row = clamp(Math.floor(down), 0, parts - 1);
  const [u, v] = [across - column, down - row];
  const mean = (k) => (1 - v) * ((1 - u) * corners[row][column][k] + u * corners[row][column + 1][k])
    + v * ((1 - u) * corners[row + 1][column][k] + u * corners[row + 1][column + 1][k]);
  const longitude = mean(0);
  return [longitude - 360 * Math.round(longitude / 360), mean(1)];
}

/** Longitude and latitude as people write them, as fine as a pixel of so many meters is. */
export function degrees([longitude, latitude], pixel) {
  const digits = clamp(Math.ceil(Math.log10(METERS_PER_DEGREE / (pixel ?? 1))), 3, 8);
  const side = (value, [positive, negative]) =>
    `${Math.abs(value).toFixed(digits)}° ${value < 0 ? negative : positive}`;
  return `${side(latitude, "NS")}  ${side(longitude, "EW")}`;
}
