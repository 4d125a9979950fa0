// A waveform: bars of a track's peaks, with the moments that match and the part that was played.

import { Component, askJson, createRef, html } from "./dom.js";

/** What plays now; the player keeps it up to date. */
export const playback = {
  id: null,
  at: 0,
  redraw() {
    for (const canvas of document.querySelectorAll("canvas.wave")) if (canvas.wave?.props.id === playback.id) canvas.wave.draw();
  },
};

const kept = new Map(); // id -> promise of {seconds, peaks}
const waiting = [];
let running = 0;

/** The peaks of a track, asked for once; at most three requests at a time. */
export function peaksOf(id) {
  if (!kept.has(id)) kept.set(id, new Promise((resolve) => waiting.push(() => askJson(`/peaks/${id}`).then(resolve, () => resolve(null)))));
  start();
  return kept.get(id);
}

function start() {
  while (running < 3 && waiting.length) {
    running += 1;
    waiting.shift()().finally(() => {
      running -= 1;
      start();
    });
  }
}

const seen = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && entry.target.wave.load()),
  { rootMargin: "150px" },
);
const sized = new ResizeObserver((entries) => entries.forEach((entry) => entry.target.wave?.draw()));
const scheme = matchMedia("(prefers-color-scheme: dark)");
scheme.addEventListener("change", () => document.querySelectorAll("canvas.wave").forEach((canvas) => canvas.wave?.draw()));

/** Props: id, seconds, moments [{start_s, end_s}] to tint, strong (those in colour; all without it), onSeek(seconds). */
export class Waveform extends Component {
  canvas = createRef();

  componentDidMount() {
    this.canvas.current.wave = this;
    seen.observe(this.canvas.current);
    sized.observe(this.canvas.current);
  }

  componentWillUnmount() {
    seen.unobserve(this.canvas.current);
    sized.unobserve(this.canvas.current);
  }

  componentDidUpdate(before) {
    if (before.id !== this.props.id) {
      this.known = null;
      this.load();
    }
    this.draw();
  }

  async load() {
    const { id } = this.props;
    seen.unobserve(this.canvas.current);
    const known = await peaksOf(id);
    if (id !== this.props.id) return;
    this.known = known;
    this.draw();
  }

  get seconds() {
    return this.known?.seconds || this.props.seconds || 0;
  }

  draw() {
    const canvas = this.canvas.current;
    if (!canvas || !canvas.clientWidth) return;
    const scale = devicePixelRatio || 1;
    const width = (canvas.width = Math.round(canvas.clientWidth * scale));
    const height = (canvas.height = Math.round(canvas.clientHeight * scale));
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const pen = canvas.getContext("2d");
    const moments = (this.props.moments || []).filter(Boolean);
    const strong = (this.props.strong || moments).filter(Boolean);
    const played = this.props.id === playback.id ? playback.at : 0;
    const toX = (seconds) => (this.seconds ? (seconds / this.seconds) * width : 0);
    pen.fillStyle = colour("--moment");
    for (const { start_s, end_s } of moments) pen.fillRect(toX(start_s), 0, Math.max(2 * scale, toX(end_s) - toX(start_s)), height);
    const peaks = this.known?.peaks || [];
    const loudest = Math.max(...peaks, 0.01);
    const step = 3 * scale;
    const bars = Math.floor(width / step);
    for (let bar = 0; bar < bars; bar += 1) {
      const [from, to] = [bar, bar + 1].map((index) => Math.floor((index * peaks.length) / bars));
      const peak = peaks.length ? Math.max(...peaks.slice(from, Math.max(to, from + 1))) : 0;
      const tall = Math.max(scale, (peak / loudest) * height * 0.94);
      const seconds = ((bar + 0.5) / bars) * this.seconds;
      const matches = strong.some(({ start_s, end_s }) => seconds >= start_s && seconds <= end_s);
      pen.fillStyle = colour(seconds < played ? "--wave-played" : matches ? "--wave-match" : "--wave");
      pen.fillRect(bar * step, (height - tall) / 2, 2 * scale, tall);
    }
  }

  render({ onSeek }) {
    const seek = (event) => onSeek?.((event.offsetX / event.target.clientWidth) * this.seconds);
    return html`<canvas ref=${this.canvas} class="wave" aria-hidden="true" onClick=${seek}></canvas>`;
  }
}
