// Who stands on the map: where, which way they look, and the ground that the generator is shown.

const REACH = 46; // CSS pixels from the observer to the handle of the direction
const NEAR = 16; // CSS pixels within which the handle is taken
const SPREAD = 0.42; // half the angle of the drawn fan, radians

export class Observer {
  /** @param {(heading: number) => void} turned Told which way the observer was turned by hand. */
  constructor(turned) {
    this.turned = turned;
    this.at = null; // [x, y] in raster pixels
    this.heading = null; // degrees clockwise from what is up, or null
    this.side = 0; // of the crop, in raster pixels
    this.fits = true; // whether the map shows all of the crop
    this.aiming = false; // whether the cross for the keyboard is shown
  }

  draw(context, viewer) {
    context.save();
    if (this.at) this.#drawObserver(context, viewer);
    if (this.aiming) this.#drawCross(context, viewer);
    context.restore();
  }

  /** What is dragged from a place of the view: the direction, or nothing. */
  grab(viewer, x, y) {
    if (!this.at || this.heading === null) return null;
    const [left, top] = viewer.toView(...this.#tip(viewer));
    if (Math.hypot(x - left, y - top) > NEAR) return null;
    return (toX, toY) => {
      const [ox, oy] = viewer.toView(...this.at);
      const angle = (Math.atan2(toX - ox, oy - toY) * 180) / Math.PI;
      this.turned(Math.round(angle + 360) % 360);
    };
  }

  #tip(viewer) {
    const turn = (this.heading * Math.PI) / 180;
    const reach = REACH / viewer.zoom;
    return [this.at[0] + reach * Math.sin(turn), this.at[1] - reach * Math.cos(turn)];
  }

  #drawObserver(context, { zoom }) {
    const [x, y] = this.at;
    const half = this.side / 2;
    context.beginPath();
    context.rect(x - half, y - half, this.side, this.side);
    context.setLineDash([6 / zoom, 4 / zoom]);
    stroke(context, zoom, "rgb(255 255 255 / 90%)", 3);
    stroke(context, zoom, this.fits ? "#2f81f7" : "#f0a020", 1.5);
    context.setLineDash([]);
    if (this.heading !== null) this.#drawFan(context, zoom);
    context.beginPath();
    context.arc(x, y, 6 / zoom, 0, 2 * Math.PI);
    stroke(context, zoom, "#ffffff", 4);
    context.fillStyle = this.fits ? "#2f81f7" : "#f0a020";
    context.fill();
  }

  #drawFan(context, zoom) {
    const [x, y] = this.at;
    const turn = ((this.heading - 90) * Math.PI) / 180;
    const reach = REACH / zoom;
    context.beginPath();
    context.moveTo(x, y);
    context.arc(x, y, reach, turn - SPREAD, turn + SPREAD);
    context.closePath();
    context.fillStyle = "rgb(47 129 247 / 38%)";
    context.fill();
    stroke(context, zoom, "rgb(255 255 255 / 85%)", 1.5);
    context.beginPath();
    context.arc(x + reach * Math.cos(turn), y + reach * Math.sin(turn), 7 / zoom, 0, 2 * Math.PI);
    context.fillStyle = "#ffffff";
    context.fill();
    stroke(context, zoom, "#2f81f7", 2.5);
  }

  #drawCross(context, { x, y, zoom }) {
    const [near, far] = [5 / zoom, 17 / zoom];
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + near * dx, y + near * dy);
      context.lineTo(x + far * dx, y + far * dy);
    }
    stroke(context, zoom, "#ffffff", 4.5);
    stroke(context, zoom, "#1f2933", 2);
  }
}

function stroke(context, zoom, color, width) {
  context.strokeStyle = color;
  context.lineWidth = width / zoom;
  context.stroke();
}
