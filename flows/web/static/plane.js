// The drawing of a map by WebGL2: up to millions of points, panned and zoomed. Without a library: regl compiles its
// functions from text, which the Content-Security-Policy of the pages forbids.

const VERTEX = `#version 300 es
in vec2 position; in float code; in float chosen;
uniform vec2 centre, scale; uniform float size; uniform bool choosing; uniform sampler2D palette;
out vec4 colour;
void main() {
  gl_Position = vec4((position - centre) * scale, 0., 1.);
  bool dims = choosing && chosen < .5;
  gl_PointSize = dims ? max(1., size * .6) : size;
  colour = texelFetch(palette, ivec2(dims ? 254 : int(code), 0), 0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float; in vec4 colour; uniform bool round; out vec4 fragment;
void main() {
  if (round && distance(gl_PointCoord, vec2(.5)) > .5) discard;
  fragment = colour;
}`;
const SLOW = 50; // ms of a frame while panning; of slower ones fewer points are drawn
const REST = 160; // ms without a move, then all points are drawn
const STEPS = 65535; // of a coordinate
const MAX_ZOOM = 400;

export class Plane {
  count = 0;
  view = { x: 0.5, y: 0.5, zoom: 1 };
  ground = [1, 1, 1]; // behind the points
  budget = 60_000; // points while panning; any beginning of the points is a fair sample

  constructor(canvas, onDraw) {
    Object.assign(this, { canvas, onDraw, gl: canvas.getContext("webgl2", { antialias: false, depth: false, alpha: false }) });
    if (!this.gl) throw new Error("This browser has no WebGL2, which draws the map.");
    this.uniforms = this.#compile();
    this.buffers = ["position", "code", "chosen"].map(() => this.gl.createBuffer());
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  #compile() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    ["position", "code", "chosen"].forEach((name, index) => gl.bindAttribLocation(program, index, name));
    gl.linkProgram(program);
    gl.useProgram(program);
    return Object.fromEntries(["centre", "scale", "size", "choosing", "round"].map((name) => [name, gl.getUniformLocation(program, name)]));
  }

  /** Take coordinates, uint16 pairs from 0 to STEPS; the outermost are `low` and `high`, from 0 to 1. */
  setPoints(coordinates, { low, high }) {
    Object.assign(this, { coordinates, low, high, count: coordinates.length / 2 });
    this.#fill(0, coordinates, 2, this.gl.UNSIGNED_SHORT, true);
    this.setCodes(new Uint8Array(this.count));
    this.choose(null);
  }

  /** Take a colour of the palette for each point, uint8. */
  setCodes(codes) { this.#fill(1, (this.codes = codes), 1, this.gl.UNSIGNED_BYTE, false); }

  /** Let chosen points stand out, uint8 of 0 and 1; null lets all. */
  choose(chosen) {
    this.choosing = Boolean(chosen);
    this.#fill(2, chosen || new Uint8Array(this.count), 1, this.gl.UNSIGNED_BYTE, false);
  }

  #fill(index, values, size, type, isUnit) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[index]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, size, type, isUnit, 0, 0);
    this.draw();
  }

  /** Take 256 colours, uint8 of red, green, blue and alpha. */
  setPalette(colours) {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    this.draw();
  }

  get width() { return this.canvas.clientWidth; }
  get height() { return this.canvas.clientHeight; }
  get span() { return Math.min(this.width, this.height) * this.view.zoom; } // pixels of the page, of the whole map
  toScreen(x, y) { return [this.width / 2 + (x - this.view.x) * this.span, this.height / 2 - (y - this.view.y) * this.span]; }
  toMap(left, top) { return [this.view.x + (left - this.width / 2) / this.span, this.view.y - (top - this.height / 2) / this.span]; }

  /** Move the view; fewer points are drawn until it rests. */
  move(change) {
    Object.assign(this.view, change);
    for (const [name, low, high] of [["x", 0, 1], ["y", 0, 1], ["zoom", 0.7, MAX_ZOOM]]) this.view[name] = Math.min(high, Math.max(low, this.view[name]));
    this.moves = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.draw((this.moves = false)), REST);
    this.draw();
  }

  /** Show all points, in the middle. */
  fit() {
    const [[left, bottom], [right, top]] = [this.low, this.high];
    const room = Math.min(this.width / Math.max(0.02, right - left), this.height / Math.max(0.02, top - bottom));
    this.move({ x: (left + right) / 2, y: (bottom + top) / 2, zoom: (0.92 * room) / Math.min(this.width, this.height) });
  }

  pan(left, top) { this.move({ x: this.view.x - left / this.span, y: this.view.y + top / this.span }); }

  /** Zoom by a factor; the point of the map under a pixel stays there. */
  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toMap(left, top);
    this.move({ x: x + (this.view.x - x) / factor, y: y + (this.view.y - y) / factor, zoom: this.view.zoom * factor });
  }

  draw() { this.frame ??= requestAnimationFrame((now) => this.#drawFrame(now)); }

  #drawFrame(now) {
    this.frame = null;
    if (this.moves && this.lastFrame) {
      const took = now - this.lastFrame;
      if (took > SLOW) this.budget = Math.max(20_000, this.budget * 0.75);
      else if (took < SLOW / 2) this.budget = Math.min(4_000_000, this.budget * 1.15);
    }
    this.lastFrame = this.moves ? now : 0;
    const { gl, canvas, view, uniforms } = this;
    const ratio = canvas.width / Math.max(1, canvas.clientWidth);
    const drawn = Math.floor(this.moves ? Math.min(this.count, this.budget) : this.count);
    const thinned = Math.min(2.5, Math.sqrt(this.count / Math.max(1, drawn))); // fewer points, but larger ones
    const size = ratio * Math.min(12, thinned * (0.9 + Math.min(9, (400 / Math.sqrt(this.count + 100)) * Math.max(1, view.zoom) ** 0.6)));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(...this.ground, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.centre, view.x, view.y);
    gl.uniform2f(uniforms.scale, (2 * this.span * ratio) / canvas.width, (2 * this.span * ratio) / canvas.height);
    gl.uniform1f(uniforms.size, size);
    for (const [name, value] of [["choosing", this.choosing], ["round", size > 3]]) gl.uniform1i(uniforms[name], Number(value));
    gl.drawArrays(gl.POINTS, 0, drawn);
    this.onDraw?.();
  }

  #resize() {
    const ratio = Math.min(2, devicePixelRatio);
    [this.canvas.width, this.canvas.height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    this.draw();
  }

  /** The index of the point nearest to a pixel, within a radius in pixels; -1 if there is none. */
  nearest(left, top, radius) {
    const [x, y] = this.toMap(left, top).map((value) => value * STEPS);
    let [best, least] = [-1, ((radius / this.span) * STEPS) ** 2];
    for (let index = 0; index < this.count; index += 1) { // a million points take five milliseconds
      const distance = (this.coordinates[2 * index] - x) ** 2 + (this.coordinates[2 * index + 1] - y) ** 2;
      if (distance <= least) [best, least] = [index, distance];
    }
    return best;
  }

  /** Which points lie inside a polygon, uint8 of 0 and 1. Its corners are from 0 to 1. */
  inside(polygon) {
    const chosen = new Uint8Array(this.count);
    polygon.forEach((corner, at) => {
      const [x1, y1, x2, y2] = [...corner, ...polygon.at(at - 1)].map((value) => value * STEPS);
      for (let index = 0; y1 !== y2 && index < this.count; index += 1) {
        const y = this.coordinates[2 * index + 1];
        if (y1 > y !== y2 > y && this.coordinates[2 * index] < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) chosen[index] ^= 1;
      }
    });
    return chosen;
  }
}
