// One track in a list: play it in place, see why it fits, collect it, or search on from it.

import { bylineOf, clock, html, icon, keyOf, titleOf } from "./dom.js";
import { currentId, play, playingId, toggle } from "./player.js";
import { inTray, toggleInTray } from "./tray.js";
import { Waveform } from "./waveform.js";

const TAGS = 4;
export const entryOf = (hit) => ({ track: hit, moment: hit.best, from: hit.best?.start_s || 0 });

/** What playing a hit of a list needs: its best moment first, the others of the list after it. */
export function playOptions(hit, hits) {
  return { ...entryOf(hit), queue: hits.map(entryOf) };
}

function Facts({ hit }) {
  const score = hit.score ?? hit.step;
  const facts = [
    ["Tempo", hit.bpm && html`${Math.round(hit.bpm)} <abbr title="beats per minute">bpm</abbr>`],
    ["Key", keyOf(hit)],
    hit.isMoment ? ["Moment", `${clock(hit.best.start_s)}–${clock(hit.best.end_s)}`] : ["Length", clock(hit.duration_s)],
    [hit.score == null ? "Likeness to the track before" : "Score", score == null ? "" : html`<b>${score.toFixed(2)}</b>`],
  ];
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div title=${name}><dt>${name}</dt><dd>${value || ""}</dd></div>`)}</dl>`;
}

function Tags({ hit, onTag, active }) {
  const tags = (hit.tags || []).slice(0, TAGS);
  if (!tags.length && !hit.stale_since && !hit.copies?.length) return null;
  return html`<ul class="tags" aria-label="Tags">
    ${hit.stale_since && html`<li class="note warn" title="The file has changed since it was embedded, or cannot be read">stale</li>`}
    ${hit.copies?.length > 0 && html`<li class="note">${hit.copies.length + 1} encodes</li>`}
    ${tags.map(({ name }) =>
      html`<li>${onTag
        ? html`<button class="tag" aria-pressed=${String(active?.includes(name) ?? false)} onClick=${() => onTag(name)}>${name}</button>`
        : html`<span class="tag">${name}</span>`}</li>`)}
  </ul>`;
}

/** Props: hit, hits (the list), selected, onBlend(kind, hit), onTag(name), tags, onWhy(hit), why (lines), onSelect(hit),
 * row (attributes of its element), over (something is dragged onto it). */
export function Hit({ hit, hits, selected, onBlend, onTag, tags, onWhy, why, onSelect, row, over, children }) {
  const title = titleOf(hit);
  const plays = playingId() === hit.track_id;
  const kept = inTray(hit.track_id);
  const from = hit.best ? ` from ${clock(hit.best.start_s)}` : "";
  const act = (name, label, run, pressed) => html`<button class="plain" title=${label} aria-label=${`${label}: ${title}`}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)} onClick=${run}>${icon(name)}</button>`;
  return html`<li ...${row} class=${`hit ${currentId() === hit.track_id ? "current" : ""} ${over ? "over" : ""}`} data-id=${hit.track_id} tabindex="-1"
    aria-current=${selected ? "true" : undefined} onFocusIn=${() => onSelect?.(hit)}>
    <button class="round" onClick=${() => toggle(hit, playOptions(hit, hits))} aria-label=${plays ? `Pause ${title}` : `Play ${title}${from}`}>
      ${icon(plays ? "pause" : "play")}</button>
    <div class="what">
      <a class="title" href=${`/track/${encodeURIComponent(hit.track_id)}`}>${title}</a>
      <span class="by">${bylineOf(hit)}</span>
    </div>
    <div class="shape">
      <${Waveform} id=${hit.track_id} seconds=${hit.duration_s} moments=${hit.moments || [hit.best]} strong=${[hit.best]}
        onSeek=${(from) => play(hit, { ...playOptions(hit, hits), from })} />
    </div>
    <${Facts} hit=${hit} />
    <${Tags} hit=${hit} onTag=${onTag} active=${tags} />
    <div class="acts">
      ${onBlend && act("more", "More like this", () => onBlend("like", hit))}
      ${onBlend && act("less", "Less like this", () => onBlend("unlike", hit))}
      ${onWhy && act("why", "Why this track", () => onWhy(hit), Boolean(why))}
      ${act(kept ? "check" : "plus", kept ? "Take out of the playlist" : "Put into the playlist", () => toggleInTray(hit), kept)}
      ${children}
    </div>
    ${why && html`<ul class="why">${why.map((line) => html`<li>${line}</li>`)}</ul>`}
  </li>`;
}
