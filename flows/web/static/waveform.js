// A waveform: bars of a track's peaks, with the moments that match and the part that was played.

import { Component, askJson, createRef, html } from "./dom.js";

/** What plays now; the player keeps it up to date. */
export const playback = {
  id: null,
  at: 0,
  show(id, at) {
    const ids = [playback.id, id];
    Object.assign(playback, { id, at });
    for (const { wave } of document.querySelectorAll("canvas.wave")) if (wave && ids.includes(wave.props.id)) wave.draw();
  },
};

const kept = new Map(); // id -> promise of {seconds, peaks}
const lanes = Array(3).fill(Promise.resolve()); // so many are asked for at a time: a search must not wait for them

/** The peaks of a track, asked for once; null where there are none. */
export function peaksOf(id) {
  const lane = kept.size % lanes.length;
  if (!kept.has(id)) kept.set(id, (lanes[lane] = lanes[lane].then(() => askJson(`/peaks/${encodeURIComponent(id)}`).catch(() => null))));
  return kept.get(id);
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
    const look = ({ id, moments, strong }) => JSON.stringify([id, moments, strong]);
    if (before.id !== this.props.id) this.load();
    else if (look(before) !== look(this.props)) this.draw();
  }

  async load() {
    const { id } = this.props;
    this.known = null;
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
