// The player: one audio element for the page, its bar at the foot, and the queue that plays on.

import { announce, ask, bylineOf, byId, clock, html, icon, render, titleOf } from "./dom.js";
import { inTray, onTray, toggleInTray } from "./tray.js";
import { Waveform, playback } from "./waveform.js";

const KEPT = "tonelake.player"; // in this tab: the music goes on, on the next page
const MAX_QUEUE = 200;
const audio = byId("audio");
const listeners = new Set();
const now = { track: null, moment: null, queue: [], problem: "" };

export const onPlayer = (listener) => listeners.add(listener);
export const playingId = () => (now.track && !audio.paused ? now.track.track_id : null);
export const currentId = () => now.track?.track_id ?? null;

/** Play a track, from a second on. The queue holds what comes after it. */
export function play(track, { from = 0, moment = null, queue = [] } = {}) {
  const isSame = currentId() === track.track_id;
  Object.assign(now, { track, moment, problem: "", queue: queue.slice(0, MAX_QUEUE) });
  if (isSame) audio.currentTime = from;
  else audio.src = `/audio/${encodeURIComponent(track.track_id)}#t=${from.toFixed(2)}`;
  audio.play().catch(() => {});
  announce(`Playing ${titleOf(track)} from ${clock(from)}`);
  showMedia(track);
  tell();
}

/** Pause the track if it plays, go on if it is paused, else play it. */
export function toggle(track, options) {
  if (track && currentId() !== track.track_id) return play(track, options);
  if (!now.track) return undefined;
  return audio.paused ? audio.play().catch(() => {}) : audio.pause();
}

/** Play the track before or after the current one in the queue. */
export function skip(step) {
  const index = now.queue.findIndex((entry) => entry.track.track_id === currentId());
  const next = now.queue[index + step];
  if (next) play(next.track, { from: next.from, moment: next.moment, queue: now.queue });
}

function showMedia(track) {
  if (!("mediaSession" in navigator)) return;
  navigator.mediaSession.metadata = new MediaMetadata({ title: titleOf(track), artist: track.artist || "", album: track.album || "" });
  navigator.mediaSession.setActionHandler("nexttrack", () => skip(1));
  navigator.mediaSession.setActionHandler("previoustrack", () => skip(-1));
}

/** Say what is wrong with audio that does not play, in the words of the service. */
async function explain() {
  if (!now.track || !audio.getAttribute("src")) return;
  try {
    await ask(`/audio/${encodeURIComponent(currentId())}`, { headers: { Range: "bytes=0-0" } });
    now.problem = "This browser cannot play the file.";
  } catch (error) {
    now.problem = error.message;
  }
  announce(now.problem);
  tell();
}

function tell() {
  playback.show(currentId(), audio.currentTime);
  document.body.classList.toggle("has-player", Boolean(now.track));
  render(html`<${Bar} />`, byId("player"));
  for (const listener of listeners) listener();
}

function tick() {
  playback.show(currentId(), audio.currentTime);
  const bar = byId("position");
  if (!bar) return;
  bar.value = audio.currentTime;
  bar.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(length())}`);
  byId("elapsed").textContent = clock(audio.currentTime);
}

const length = () => (Number.isFinite(audio.duration) && audio.duration ? audio.duration : now.track?.duration_s || 0);

function Bar() {
  const { track, moment, problem } = now;
  if (!track) return null;
  const [label, sign] = audio.paused ? ["Play", "play"] : ["Pause", "pause"];
  const kept = inTray(track.track_id);
  const title = titleOf(track);
  return html`<div class="bar">
    <div class="transport">
      <button class="plain step" onClick=${() => skip(-1)} aria-label="Previous track">${icon("previous")}</button>
      <button class="round" onClick=${() => toggle()} aria-label=${`${label} ${title}`}>${icon(sign)}</button>
      <button class="plain step" onClick=${() => skip(1)} aria-label="Next track">${icon("next")}</button>
    </div>
    <div class="what">
      <a class="title" href=${`/track/${encodeURIComponent(track.track_id)}`}>${title}</a>
      <span class=${problem ? "problem" : "by"}>${problem || bylineOf(track)}</span>
    </div>
    <span class="time" id="elapsed">${clock(audio.currentTime)}</span>
    <div class="seek">
      <${Waveform} key=${track.track_id} id=${track.track_id} seconds=${track.duration_s} moments=${[moment]} />
      <input type="range" id="position" aria-label=${`Position in ${title}`} min="0" step="1" max=${Math.ceil(length())}
        onInput=${(event) => (audio.currentTime = Number(event.target.value))} />
    </div>
    <span class="time">${clock(length())}</span>
    <button class="plain" aria-pressed=${String(kept)} onClick=${() => toggleInTray(track)}
      aria-label=${`${kept ? "Take" : "Put"} ${title} ${kept ? "out of" : "into"} the playlist`}>${icon(kept ? "check" : "plus")}</button>
  </div>`;
}

for (const event of ["play", "pause", "loadedmetadata"]) audio.addEventListener(event, tell);
audio.addEventListener("timeupdate", tick);
audio.addEventListener("error", explain);
audio.addEventListener("ended", () => skip(1));
onTray(() => now.track && tell());
window.addEventListener("pagehide", () => {
  const state = { ...now, at: audio.currentTime, plays: !audio.paused };
  if (now.track) sessionStorage.setItem(KEPT, JSON.stringify(state));
});

/** Go on with what the page before played. */
function resume() {
  const state = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  if (!state?.track) return;
  Object.assign(now, { track: state.track, moment: state.moment, queue: state.queue });
  audio.src = `/audio/${encodeURIComponent(state.track.track_id)}#t=${state.at.toFixed(2)}`;
  if (state.plays) audio.play().catch(() => {});
  tell();
}

resume();
