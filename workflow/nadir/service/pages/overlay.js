// A located photo over its map: warped, compared in several ways, outlined.
//
// Everything is drawn in raster pixels; the photo's own pixels get there by a similarity.

/** How the photo's pixels (u, v) get to raster pixels: a, b, c, d, e, f of a canvas transform. */
export function transformOf(pose, width, height) {
  const turn = (pose.angle * Math.PI) / 180;
  const cos = pose.scale * Math.cos(turn);
  const sin = pose.scale * Math.sin(turn);
  return [
    cos, sin, -sin, cos,
    pose.x - (cos * width - sin * height) / 2,
    pose.y - (sin * width + cos * height) / 2,
  ];
}

/** The photo's corners, around: left top, right top, right bottom, left bottom. */
export function ringOf(corners) {
  return ["left_top", "right_top", "right_bottom", "left_bottom"].map((name) => corners[name]);
}

export class Overlay {
  constructor() {
    this.answer = null;
    this.image = null;
    this.mode = "blend";
    this.amounts = { blend: 75, swipe: 50, checker: 40, outline: 0 };
  }

  /** The box of the raster that the photo covers: left, top, right, bottom. */
  get box() {
    const ring = ringOf(this.answer.corners);
    const [xs, ys] = [0, 1].map((axis) => ring.map((corner) => corner[axis]));
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }

  draw(context, viewer) {
    if (!this.answer) return;
    context.save();
    if (this.image) this.#drawPhoto(context, viewer);
    this.#drawOutline(context, viewer.zoom);
    context.restore();
  }

  #drawPhoto(context, viewer) {
    const { width, height } = this.answer.photo;
    const amount = this.amounts[this.mode];
    if (this.mode === "outline") return;
    context.save();
    context.transform(...transformOf(this.answer.pose, width, height));
    if (this.mode === "blend") context.globalAlpha = amount / 100;
    if (this.mode === "swipe") {
      context.beginPath();
      context.rect(0, 0, (width * amount) / 100, height);
      context.clip();
    }
    if (this.mode === "checker") {
      // From 2 squares across to 16.
      const side = Math.max(width, height) / Math.round(2 + (14 * amount) / 100);
      context.beginPath();
      for (let row = 0; row * side < height; row += 1) {
        for (let column = row % 2; column * side < width; column += 2) {
          context.rect(column * side, row * side, side, side);
        }
      }
      context.clip();
    }
    context.imageSmoothingEnabled = viewer.zoom * this.answer.pose.scale < 3;
    context.drawImage(this.image, 0, 0, width, height);
    context.restore();
    if (this.mode === "swipe") this.#drawSwipe(context, viewer.zoom, amount / 100);
  }

  #drawSwipe(context, zoom, share) {
    const [leftTop, rightTop, rightBottom, leftBottom] = ringOf(this.answer.corners);
    const between = (one, other) => one.map((value, axis) => value + (other[axis] - value) * share);
    context.beginPath();
    context.moveTo(...between(leftTop, rightTop));
    context.lineTo(...between(leftBottom, rightBottom));
    stroke(context, zoom, "#ffffff", 2);
  }

  #drawOutline(context, zoom) {
    const ring = ringOf(this.answer.corners);
    const color = this.answer.resolved ? "#2f81f7" : "#f0a020";
    context.beginPath();
    ring.forEach((corner) => context.lineTo(...corner));
    context.closePath();
    context.lineJoin = "round";
    stroke(context, zoom, "rgb(255 255 255 / 90%)", 5);
    context.setLineDash(this.answer.resolved ? [] : [9 / zoom, 6 / zoom]);
    stroke(context, zoom, color, 2.5);
    context.setLineDash([]);
    this.#drawTop(context, zoom, ring, color);
    this.#drawSpread(context, zoom);
  }

  /** A small arrowhead on the photo's upper edge: where its top is. */
  #drawTop(context, zoom, [leftTop, rightTop], color) {
    const along = [rightTop[0] - leftTop[0], rightTop[1] - leftTop[1]];
    const length = Math.hypot(...along) || 1;
    const [ux, uy] = along.map((value) => value / length / zoom);
    const [mx, my] = [(leftTop[0] + rightTop[0]) / 2, (leftTop[1] + rightTop[1]) / 2];
    const at = (right, up) => [mx + right * ux + up * uy, my + right * uy - up * ux];
    context.beginPath();
    context.moveTo(...at(-7, 2));
    context.lineTo(...at(7, 2));
    context.lineTo(...at(0, 20));
    context.closePath();
    stroke(context, zoom, "rgb(255 255 255 / 90%)", 4);
    context.fillStyle = color;
    context.fill();
  }

  /** The ellipse that holds the center with 95 %, where it can be seen at all. */
  #drawSpread(context, zoom) {
    const { covariance, pose, resolved } = this.answer;
    if (!covariance || !resolved) return;
    const [[xx, xy], [, yy]] = covariance;
    const middle = (xx + yy) / 2;
    const apart = Math.hypot((xx - yy) / 2, xy);
    const [long, short] = [middle + apart, middle - apart]
      .map((variance) => Math.sqrt(5.991 * Math.max(0, variance)));
    if (long * zoom < 4) return;
    context.beginPath();
    context.ellipse(pose.x, pose.y, long, short, 0.5 * Math.atan2(2 * xy, xx - yy), 0, 2 * Math.PI);
    stroke(context, zoom, "rgb(255 255 255 / 90%)", 4);
    stroke(context, zoom, "#2f81f7", 1.5);
  }
}

function stroke(context, zoom, color, width) {
  context.strokeStyle = color;
  context.lineWidth = width / zoom;
  context.stroke();
}
