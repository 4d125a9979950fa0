// A track's page: its player, the moments that stand for it, and what sounds like it. The facts come with the page.

import { askJson, byId, clock, html, icon, render } from "./dom.js";
import { Hit } from "./hit.js";
import { onPlayer, play, playingId, toggle } from "./player.js";
import { inTray, onTray, toggleInTray } from "./tray.js";
import { Waveform } from "./waveform.js";

const root = byId("track");
const track = JSON.parse(root.dataset.track);
const id = encodeURIComponent(track.track_id);
const state = { moments: [], hits: [], problem: "" };

function Actions() {
  const plays = playingId() === track.track_id;
  const kept = inTray(track.track_id);
  return html`<div class="head">
    <button class="button main" onClick=${() => toggle(track)}>${icon(plays ? "pause" : "play")} ${plays ? "Pause" : "Play"}</button>
    <button class="button" aria-pressed=${String(kept)} onClick=${() => toggleInTray(track)}>${icon(kept ? "check" : "plus")} ${kept ? "In the playlist" : "Put into the playlist"}</button>
    <a class="button" href=${`/?like=${id}`}>${icon("more")} More like this</a>
    <a class="button" href=${`/playlist?make=path&from=${id}`}>${icon("next")} A path from here</a>
  </div>
  <div class="big-wave"><${Waveform} id=${track.track_id} seconds=${track.duration_s} moments=${state.moments} onSeek=${(from) => play(track, { from })} /></div>
  ${state.moments.length > 0 && html`<ol class="moments" aria-label="Moments that stand for the track">${state.moments.map((moment) =>
    html`<li><button class="link" onClick=${() => play(track, { from: moment.start_s, moment })}><span class="hidden">Play </span>${clock(moment.start_s)}–${clock(moment.end_s)}</button></li>`)}</ol>`}`;
}

function update(change = {}) {
  Object.assign(state, change);
  render(html`<${Actions} />`, root);
  const { hits, problem } = state;
  render(
    problem ? html`<p class="remark">${problem}</p>`
      : html`<ol class="hits" aria-label="Tracks that sound like it">${hits.map((hit) => html`<${Hit} key=${hit.track_id} hit=${hit} hits=${hits} />`)}</ol>`,
    byId("similar"),
  );
}

onPlayer(() => update());
onTray(() => update());
update();
askJson(`/api/v1/tracks/${id}/segments`).then((answer) => update({ moments: answer.moments }), () => {});
askJson(`/api/v1/tracks/${id}/similar?k=10`).then((answer) => update({ hits: answer.hits }), (error) => update({ problem: error.message }));
