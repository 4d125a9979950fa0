// The search page: a box, the blend, filters, and hits that play in place. Its address is the question.

import { announce, askJson, bindKeys, byId, count, debounce, html, icon, keysAreOn, plural, render, switchKeys, titleOf } from "./dom.js";
import { record, upload, watchDrops } from "./capture.js";
import { FilterChips, showFilters, watchFilters } from "./facets.js";
import { Hit, playOptions } from "./hit.js";
import { Parts, rememberName } from "./parts.js";
import { onPlayer, toggle as togglePlay } from "./player.js";
import { blend, filtersOf, isEmpty, put, readQuery, toggle } from "./query.js";
import { onTray, toggleInTray } from "./tray.js";

const FIRST = 20;
const IDEAS = ["slow jazz with a muted trumpet", "warm pads, no drums", "a choir with brass, epic", "solo piano, melancholic", "fast and aggressive guitars"];
const root = byId("answer");
const state = { query: readQuery(), answer: null, hits: [], facets: null, problem: "", busy: false, selected: null, why: {}, explained: null, stop: null };
let asking = new AbortController();
let askingFacets = new AbortController();
let counted = null; // the filters whose facets are shown
let isDraft = false; // somebody types or slides: all of that is one entry of the history

function update(change = {}) {
  Object.assign(state, change);
  const { query, facets, busy } = state;
  render(html`<${Answer} ...${state} />`, root);
  render(html`<${Parts} query=${query} onQuery=${setQuery} />`, byId("blend"));
  showFilters(query, facets, setQuery);
  byId("spinner").classList.toggle("on", busy);
  if (byId("text") !== document.activeElement) byId("text").value = query.get("text") || "";
}

/** Take a question: its address at once, its answer when it comes. `settles` false: somebody still types or slides. */
function setQuery(query, { settles = true } = {}) {
  const address = query.size ? `?${query}` : location.pathname;
  const isNew = address !== (location.search || location.pathname) && !(isDraft && !settles);
  history[isNew ? "pushState" : "replaceState"](null, "", address);
  isDraft = !settles;
  update({ query });
  (settles ? search : searchSoon)();
}

const searchSoon = debounce(140, () => search());

async function search(more = false) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const query = new URLSearchParams(state.query);
  if (!more) findFacets(query);
  if (isEmpty(query)) return update({ answer: null, hits: [], problem: "", busy: false });
  query.set("k", FIRST);
  if (more) query.set("cursor", state.answer.next);
  update({ busy: true });
  try {
    const answer = await askJson(`/api/v1/search?${query}`, { signal });
    const hits = withMoments(more ? [...state.hits, ...answer.hits] : answer.hits);
    update({ answer, hits, problem: "", busy: false, why: {}, explained: null });
    announce(`${plural(hits.length, "hit")}. ${[...answer.understood, ...answer.remarks].join(". ")}`);
    if (more) root.querySelectorAll(".hit")[hits.length - answer.hits.length]?.focus();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (more) return search(); // the lake has changed since the page before
    update({ problem: error.message, busy: false, answer: null, hits: [] });
  }
  return undefined;
}

/** Where hits are moments, each waveform shows all moments of its track. */
function withMoments(hits) {
  if (!state.query.has("segments")) return hits;
  const momentsOf = (id) => hits.filter((each) => each.track_id === id).map((each) => each.best);
  return hits.map((hit) => ({ ...hit, isMoment: true, moments: momentsOf(hit.track_id) }));
}

/** Count what the filters leave, if they have changed. */
async function findFacets(query) {
  const filters = String(filtersOf(query));
  if (filters === counted) return;
  askingFacets.abort();
  askingFacets = new AbortController();
  try {
    const facets = await askJson(`/api/v1/facets?${filters}`, { signal: askingFacets.signal });
    counted = filters;
    update({ facets });
  } catch {
    // the counts stay as they were; what is wrong with the question, the hits say
  }
}

async function explain(hit) {
  if (state.why[hit.track_id]) return update({ why: { ...state.why, [hit.track_id]: undefined } });
  const asked = state.query;
  const query = put(asked, "segments", "");
  query.set("k", state.hits.length);
  query.set("explain", "true");
  try {
    const explained = state.explained || (await askJson(`/api/v1/search?${query}`)).hits;
    if (asked !== state.query) return undefined; // somebody asked on meanwhile
    const lines = explained.find((each) => each.track_id === hit.track_id)?.found_by;
    update({ explained, why: { ...state.why, [hit.track_id]: lines?.length ? lines : ["The filters let it pass; nothing was compared."] } });
  } catch (error) {
    update({ why: { ...state.why, [hit.track_id]: [error.message] } });
  }
  return undefined;
}

function blendHit(kind, hit) {
  rememberName(hit.track_id, titleOf(hit));
  setQuery(blend(state.query, kind, hit.track_id));
  announce(`${kind === "like" ? "More" : "Less"} like ${titleOf(hit)}`);
}

async function takeSound(file, name) {
  update({ busy: true, problem: "" });
  announce(`Listening to ${name}`);
  try {
    const { upload: hash } = await upload(file, name);
    rememberName(`upload:${hash}`, name);
    setQuery(blend(state.query, "like", `upload:${hash}`));
  } catch (error) {
    update({ problem: error.message, busy: false });
  }
}

async function toggleRecording() {
  if (state.stop) return state.stop();
  try {
    showRecording(await record((sound) => {
      showRecording(null);
      takeSound(sound, "recording");
    }));
    announce("Recording. Press again to stop.");
  } catch (error) {
    update({ problem: error.message });
  }
  return undefined;
}

function showRecording(stop) {
  const button = byId("record");
  button.classList.toggle("recording", Boolean(stop));
  button.setAttribute("aria-pressed", String(Boolean(stop)));
  button.querySelector("use").setAttribute("href", `/static/icons.svg#${stop ? "stop" : "microphone"}`);
  update({ stop });
}

/** Move to the next or previous hit; focus follows, so that a screen reader reads it. */
function move(step) {
  const index = state.hits.indexOf(state.selected);
  const next = state.hits[Math.min(Math.max(index + step, 0), state.hits.length - 1)];
  if (!next) return;
  update({ selected: next });
  root.querySelectorAll(".hit")[state.hits.indexOf(next)]?.focus();
}

function Start({ facets }) {
  return html`<section class="start">
    <p>Ask in your own words, name a track, drop an audio file anywhere, or begin with one of these:</p>
    <ul class="ideas">${IDEAS.map((idea) =>
      html`<li><button class="idea" onClick=${() => setQuery(put(state.query, "text", idea))}>${idea}</button></li>`)}</ul>
    ${facets?.tag.length > 0 && html`<h2>In this lake: ${plural(facets.tracks, "track")}</h2>
      <ul class="ideas">${facets.tag.slice(0, 24).map(({ value }) =>
        html`<li><button class="tag" onClick=${() => setQuery(toggle(state.query, "tag", value))}>${value}</button></li>`)}</ul>`}
    <p class="by">Filters alone list tracks too. Press <kbd>?</kbd> for the keys.</p>
  </section>`;
}

function Hits({ query, answer, hits, facets, problem, busy, selected, why }) {
  if (problem) return html`<div class="state" role="alert"><h2>That did not work</h2><p>${problem}</p></div>`;
  if (isEmpty(query)) return html`<${Start} facets=${facets} />`;
  if (!answer) return busy ? html`<p class="by">Listening …</p>` : null;
  const notes = [...answer.understood.map((line) => ["understood", line]), ...answer.remarks.map((line) => ["remark", line])];
  return html`
    ${notes.map(([kind, line]) => html`<p class=${kind} key=${line}>${kind === "understood" && html`<b>Understood: </b>`}${line}</p>`)}
    ${hits.length === 0
      ? html`<div class="state"><h2>Nothing passes</h2><p>Take away a filter, or ask in other words.</p></div>`
      : html`<ol class="hits" aria-label="Hits" aria-busy=${String(busy)}>${hits.map((hit) =>
          html`<${Hit} key=${`${hit.track_id} ${query.has("segments") ? hit.best?.start_s : ""}`} hit=${hit} hits=${hits} selected=${hit === selected}
            onBlend=${blendHit} onTag=${(tag) => setQuery(toggle(query, "tag", tag))} tags=${query.getAll("tag")}
            onWhy=${query.has("segments") ? null : explain} why=${why[hit.track_id]} onSelect=${(each) => each !== state.selected && update({ selected: each })} />`)}</ol>`}
    ${answer.next && html`<button class="button wide" onClick=${() => search(true)}>More hits</button>`}`;
}

function Answer(props) {
  const { query, hits, facets } = props;
  const isMoments = query.has("segments");
  const total = isMoments || !facets ? plural(hits.length, isMoments ? "moment" : "track") : `${count(hits.length)} of ${plural(facets.tracks, "track")}`;
  const modes = [["", "Tracks"], ["true", "Moments"]];
  return html`<div class="toolbar">
      <button class="button narrow-only" aria-controls="filters" onClick=${openFilters}>${icon("filter")} Filters</button>
      <div class="switch" role="group" aria-label="What to find">${modes.map(([value, label]) =>
        html`<button aria-pressed=${String((query.get("segments") || "") === value)} onClick=${() => setQuery(put(query, "segments", value))}>${label}</button>`)}</div>
      <${FilterChips} query=${query} onQuery=${setQuery} />
      <span class="by total">${hits.length > 0 && total}</span>
    </div>
    <${Hits} ...${props} />`;
}

const withSelected = (run) => () => state.selected && run(state.selected);
bindKeys({
  "/": () => byId("text").select(),
  j: () => move(1),
  k: () => move(-1),
  " ": () => (state.selected ? togglePlay(state.selected, playOptions(state.selected, state.hits)) : togglePlay()),
  m: withSelected((hit) => blendHit("like", hit)),
  l: withSelected((hit) => blendHit("unlike", hit)),
  a: withSelected(toggleInTray),
  w: withSelected(explain),
  "?": () => byId("keys").showModal(),
});
byId("use-keys").checked = keysAreOn();
byId("use-keys").addEventListener("change", (event) => switchKeys(event.target.checked));
byId("text").addEventListener("input", (event) => setQuery(put(state.query, "text", event.target.value), { settles: false }));
byId("box").addEventListener("submit", (event) => (event.preventDefault(), setQuery(state.query), byId("text").blur()));
// Escape leaves the box, for the single keys; a browser would empty it.
byId("text").addEventListener("keydown", (event) => event.key === "Escape" && (event.preventDefault(), event.target.blur()));
byId("record").addEventListener("click", toggleRecording);
byId("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) takeSound(target.files[0], target.files[0].name);
  target.value = "";
});
addEventListener("popstate", () => {
  isDraft = false;
  document.activeElement?.blur();
  update({ query: readQuery(), selected: null });
  search();
});
const openFilters = watchFilters((edit) => setQuery(edit(state.query)));
watchDrops((file) => takeSound(file, file.name));
onPlayer(() => update());
onTray(() => update());
update();
search();
