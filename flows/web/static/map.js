// The map: every track a point. Hover plays, a lasso selects; its address keeps colours and lasso.

import { announce, ask, askJson, bindKeys, bylineOf, byId, count, debounce, html, icon, plural, post, render, titleOf } from "./dom.js";
import { Hit } from "./hit.js";
import { onPlayer, play } from "./player.js";
import { Plane } from "./plane.js";
import { onTray, setTray, trayTracks } from "./tray.js";

const [canvas, stage, overlay, labels, tip] = ["canvas", "stage", "lasso", "labels", "tip"].map((name) => byId(`map-${name}`));
const KEPT = "tonelake.map.hover";
const [LISTED, MOST] = [100, 1000]; // tracks of a selection that are shown, and that a playlist or a file takes
const CORNERS = 300; // of a lasso: the service takes no more
const state = { head: null, legend: null, regions: [], problem: "", busy: true, lassoes: false, polygon: null, alone: null, within: null, tracks: 0, hits: [], hovers: localStorage.getItem(KEPT) !== "off" };
const address = new URLSearchParams(location.search);
const dark = matchMedia("(prefers-color-scheme: dark)");
const colours = (name) => getComputedStyle(stage).getPropertyValue(`--${name}`).trim().split(" "); // of map.css
const bytes = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const swatch = (index) => ({ background: [...colours("hues"), ...colours("greys")][index] });
let plane;
function update(change = {}) {
  Object.assign(state, change);
  render(html`<${Tools} ...${state} />`, byId("map-tools"));
  render(html`<${Side} ...${state} />`, byId("map-side"));
}

const fails = (run) => (...values) => run(...values).catch(({ message }) => update({ problem: message, busy: false }));
function keep(changes) {
  for (const [name, value] of Object.entries(changes)) value ? address.set(name, value) : address.delete(name);
  history.replaceState(null, "", address.size ? `?${address}` : location.pathname);
}
/** Read a header and the numbers behind it, as /api/v1/map sends them. */
async function askNumbers(path, Kind) {
  const body = await (await ask(path, { headers: {} })).arrayBuffer();
  const length = new DataView(body).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, length))), new Kind(body, 4 + length)];
}

const load = fails(async () => {
  plane = window.tonelakePlane = new Plane(canvas, () => placeLabels() || drag || drawLasso((state.polygon || []).map((corner) => plane.toScreen(...corner))));
  const [head, coordinates] = await askNumbers("/api/v1/map", Uint16Array);
  plane.setPoints(coordinates, head);
  plane.fit();
  await colour(update({ head }));
  askJson("/api/v1/map/labels").then(({ regions }) => update({ regions }) || placeLabels());
  update({ busy: false });
  if (address.has("lasso")) await select(address.get("lasso").split(";").map((corner) => corner.split(",").map(Number)));
  document.body.dataset.map = "ready";
});

async function colour() {
  const query = new URLSearchParams([...address, ["map", state.head.map]]);
  if (query.get("by") === "score" && query.size < 3) return update({ legend: null }); // the words come next
  if (!query.has("by")) query.set("by", state.head.has_tags ? "tag" : "genre");
  for (const name of ["lasso", query.get("by") === "score" ? "name" : "text"]) query.delete(name);
  const [legend, codes] = await askNumbers(`/api/v1/map/colours?${query}`, Uint8Array);
  plane.setCodes(codes);
  update({ legend, alone: null, problem: "" });
  paint();
  announce(`Coloured by ${legend.title}`);
}

function paint() {
  if (!state.legend) return;
  const [ramp, hues, greys] = ["ramp", "hues", "greys"].map((name) => colours(name).map(bytes));
  const palette = new Uint8Array(1024);
  for (let code = 0; code < 256; code += 1) {
    const at = (Math.min(code, 253) / 253) * (ramp.length - 1);
    const mixed = ramp[Math.floor(at)].map((low, part) => low + (ramp[Math.ceil(at)][part] - low) * (at % 1));
    palette.set([...(code > 253 ? greys[code - 254] : state.legend.low == null ? hues[code % 8] : mixed), 255], 4 * code);
  }
  plane.ground = getComputedStyle(stage).backgroundColor.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
  plane.setPalette(palette);
  update();
}

const setColour = fails(async (changes) => keep(changes) || colour());
/** Names of regions where there is room for them, those of larger ones first. */
function placeLabels() {
  const level = plane.view.zoom < 1.8 ? 0 : plane.view.zoom < 5 ? 1 : 2;
  const taken = [];
  const shown = state.regions.filter((region) => region.level === level).map((region) => [region, ...plane.toScreen(region.x, region.y)]).filter(([region, left, top]) => {
    const [width, height] = [region.name.length * 4.5 + 8, 14];
    const isInside = left > width && top > height && left < plane.width - width && top < plane.height - height;
    return isInside && !taken.some(([x, y, wide]) => Math.abs(x - left) < wide + width && Math.abs(y - top) < 2 * height) && taken.push([left, top, width]);
  });
  render(shown.map(([region, left, top]) => html`<span key=${region.name + region.x} style=${{ transform: `translate(${left.toFixed()}px, ${top.toFixed()}px) translate(-50%, -50%)` }}>${region.name}</span>`), labels);
}

const select = fails(async (drawn) => {
  const polygon = drawn.filter((_, at) => at % Math.ceil(drawn.length / CORNERS) === 0);
  update({ polygon });
  plane.choose(plane.inside(polygon));
  const { within, tracks } = await (await post("/api/v1/map/selection", { map: state.head.map, polygon })).json();
  if (!tracks) return clear("No track lies there.");
  keep({ lasso: polygon.map((corner) => corner.map((value) => value.toFixed(4)).join(",")).join(";") });
  update({ within, tracks, alone: null, lassoes: false, problem: "" });
  update({ hits: await findSelected(LISTED) });
  return announce(`${plural(tracks, "track")} selected`);
});

function clear(problem = "") {
  keep({ lasso: null });
  update({ within: null, tracks: 0, hits: [], polygon: null, alone: null, problem });
  plane.choose(null);
}

/** Select what is on the screen: a lasso without a pointer. */
const selectView = () => select([[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => plane.toMap(x * plane.width, y * plane.height)));

/** Let the points of one colour stand out; those of all the second time. */
function showAlone(code) {
  update({ alone: state.alone === code ? null : code });
  plane.choose(state.alone == null ? null : plane.codes.map((value) => Number(value === code)));
}

const findSelected = async (k) => (await askJson(`/api/v1/search?${new URLSearchParams({ within: state.within, k })}`)).hits;
const collect = fails(async () => setTray([...trayTracks(), ...(await findSelected(MOST))]) || announce(`The playlist has ${plural(trayTracks().length, "track")}`));
const save = fails(async (format) => {
  const tracks = (await findSelected(MOST)).map((hit) => hit.track_id);
  const response = await post("/api/v1/playlist", { tracks, order: "rank", title: "map", format });
  Object.assign(document.createElement("a"), { href: URL.createObjectURL(await response.blob()), download: `map.${format}` }).click();
});
const drawLasso = (corners) => overlay.setAttribute("points", corners.map((corner) => corner.map((value) => value.toFixed(1)).join(",")).join(" "));

// The pointer: it pans, draws a lasso, and rests on a point to hear it.
let drag = null;
const far = ([left, top], [x, y]) => Math.hypot(left - x, top - y) > 6;
const place = ({ offsetX, offsetY }) => [offsetX, offsetY];
const on = (name, run, options) => canvas.addEventListener(name, run, options);
on("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  drag = { at: place(event), start: place(event), corners: state.lassoes || event.shiftKey ? [place(event)] : null };
});
on("pointermove", (event) => {
  const at = place(event);
  if (!drag) return pointAt(at);
  if (!drag.corners) plane.pan(at[0] - drag.at[0], at[1] - drag.at[1]);
  else if (far(at, drag.corners.at(-1))) drawLasso([...drag.corners, at]) || drag.corners.push(at);
  return (drag.at = at);
});
on("pointerup", () => {
  const { corners, at, start } = drag || {};
  drag = null;
  if (corners) return corners.length > 2 ? select(corners.map((corner) => plane.toMap(...corner))) : clear();
  return start && !far(at, start) && hear(plane.nearest(...at, 12), at, true);
});
on("pointerleave", () => pointAt([-99, -99]));
on("wheel", (event) => {
  event.preventDefault();
  plane.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
}, { passive: false });

const pointAt = debounce(140, (at) => !drag && hear(plane.nearest(...at, 8), at, state.hovers));
const hear = fails(async (index, [left, top], plays) => {
  tip.hidden = index < 0;
  if (index < 0) return;
  const { tracks: [track] } = await askJson(`/api/v1/map/tracks?map=${state.head.map}&index=${index}`);
  render(html`<b>${titleOf(track)}</b><span>${bylineOf(track)}</span>`, tip);
  Object.assign(tip.style, { left: `${Math.min(left + 14, plane.width - 240)}px`, top: `${top + 14}px` });
  if (plays) play(track, { from: Math.min(30, (track.duration_s || 0) / 3) });
});

function Tools({ head, legend, lassoes, hovers }) {
  const by = address.get("by") || (head?.has_tags ? "tag" : "genre");
  const button = (label, run, pressed) => html`<button class="button" onClick=${run} aria-pressed=${pressed === undefined ? undefined : String(pressed)}>${label}</button>`;
  return html`
    <label class="line">Colour by <select value=${by} onChange=${(event) => setColour({ by: event.target.value, name: null, text: null })}>
      ${[["tag", "best tag"], ["genre", "genre"], ["year", "year"], ["score", "a search"]].map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select></label>
    ${by === "score" && html`<form class="line" onSubmit=${(event) => event.preventDefault() || setColour({ text: event.target.elements.text.value })}>
      <input name="text" aria-label="Words to colour by" placeholder="warm strings, slow" value=${address.get("text") || ""} /><button class="button">Colour</button></form>`}
    ${button("Lasso", () => update({ lassoes: !lassoes }), lassoes)} ${button("Select the view", selectView)}
    ${[["plus", "Zoom in", 1.6], ["minus", "Zoom out", 1 / 1.6]].map(([name, label, factor]) => html`<button class="plain" title=${label} aria-label=${label} onClick=${() => plane.zoom(factor)}>${icon(name)}</button>`)}
    ${button("Whole map", () => plane.fit())}
    <label class="line"><input type="checkbox" checked=${hovers} onChange=${({ target }) => localStorage.setItem(KEPT, target.checked ? "on" : "off") || update({ hovers: target.checked })} /> Hover plays</label>
    ${head && html`<span class="quiet total">${plural(head.points, "track")}${head.missing > 0 && `, ${count(head.missing)} not on it yet: tonelake map`}</span>`}`;
}

function Legend({ legend, alone }) {
  if (legend.low != null) return html`<p class="scale"><span>${+legend.low.toFixed(2)}</span><i style=${{ background: `linear-gradient(to right, ${colours("ramp")})` }}></i><span>${+legend.high.toFixed(2)}</span></p>`;
  const rows = [...legend.names.map((name, code) => [name, legend.counts[code], code, code]), ["others", legend.other, 254, 8], ["unknown", legend.unknown, 255, 9]].filter(([, number]) => number);
  return html`<ul class="legend">${rows.map(([name, number, code, hue]) => html`<li><button aria-pressed=${String(alone === code)} onClick=${() => showAlone(code)}><i style=${swatch(hue)}></i><span>${name}</span><span class="number quiet">${count(number)}</span></button></li>`)}</ul>`;
}

function Side({ legend, problem, busy, within, tracks, hits, regions, alone }) {
  return html`${problem && html`<p class="remark" role="alert">${problem}</p>`} ${busy && !problem && html`<p class="quiet">Loading ...</p>`}
    ${legend && html`<section aria-label="Legend"><h2>${legend.title}</h2><${Legend} legend=${legend} alone=${alone} /></section>`}
    ${within && html`<section aria-label="Selection"><h2>${plural(tracks, "track")} selected</h2>
      ${tracks > MOST && html`<p class="quiet">Playlists and files take ${count(MOST)} of them; a search within it finds all.</p>`}
      <p class="map-acts"><a class="button main" href=${`/?${new URLSearchParams({ within })}`}>Search in it</a>
        <button class="button" onClick=${collect}>Add to the playlist</button>
        ${["m3u8", "csv"].map((format) => html`<button class="button" onClick=${() => save(format)}>Save ${format.toUpperCase()}</button>`)}
        <button class="button" onClick=${() => clear()}>Clear</button></p>
      <ol class="hits compact">${hits.map((hit) => html`<${Hit} key=${hit.track_id} hit=${hit} hits=${hits} />`)}</ol>
      ${tracks > hits.length && html`<p class="quiet">and ${count(tracks - hits.length)} more</p>`}</section>`}
    ${regions.length > 0 && html`<details><summary>Regions</summary><ul class="legend">${regions.filter(({ level }) => level === 1).map((region) => html`<li>
      <button onClick=${() => plane.move({ x: region.x, y: region.y, zoom: 6 })}><span>${region.name}</span><span class="number quiet">${count(region.tracks)}</span></button></li>`)}</ul></details>`}`;
}

on("keydown", (event) => {
  const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (steps[event.key]) event.preventDefault() || plane.pan(...steps[event.key]);
});
bindKeys({ "+": () => plane.zoom(1.6), "-": () => plane.zoom(1 / 1.6), 0: () => plane.fit(), l: () => update({ lassoes: !state.lassoes }), Escape: () => clear() });
dark.addEventListener("change", paint);
for (const listen of [onPlayer, onTray]) listen(() => update());
load(update());
