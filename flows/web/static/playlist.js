// Playlists: the tray, or tracks for words or between two tracks; put in order, played, exported.

import { announce, askJson, byId, clock, html, icon, plural, post, render, titleOf } from "./dom.js";
import { Hit } from "./hit.js";
import { onPlayer, play } from "./player.js";
import { onTray, setTray, trayTracks } from "./tray.js";

const root = byId("playlist");
const FORMATS = ["m3u8", "jspf", "csv"];
const state = { address: new URLSearchParams(location.search), made: null, details: new Map(), remarks: [], problem: "", busy: false, dragged: null, over: null };
const madeBy = (address) => (address.has("from") || address.has("to") || address.get("make") === "path" ? "path" : address.has("tracks") ? "shared" : address.has("text") || address.get("make") === "words" ? "words" : "tray");

function update(change = {}) {
  Object.assign(state, change);
  render(html`<${Page} ...${state} />`, root);
}

/** The tracks on show: the tray, with what the lake knows of them; or a list that was made. */
const tracksOn = ({ made, address, details }) =>
  madeBy(address) === "tray" ? trayTracks().map((track) => ({ ...track, ...details.get(track.track_id) })) : made?.tracks || [];

function go(address, push = true) {
  const query = new URLSearchParams([...address].filter(([, value]) => value !== ""));
  history[push ? "pushState" : "replaceState"](null, "", query.size ? `?${query}` : location.pathname);
  update({ address: query, made: null, problem: "", remarks: [] });
  load();
}

/** Ask for the list that the address describes; of the tray only details, such as what has left the lake. */
async function load() {
  const { address } = state;
  const kind = madeBy(address);
  const ids = kind === "tray" ? trayTracks().map((track) => track.track_id) : (address.get("tracks") || "").split(",").filter(Boolean);
  const isAsked = { tray: ids.length, shared: ids.length, words: address.get("text"), path: address.get("from") && address.get("to") }[kind];
  if (!isAsked) return;
  update({ busy: true });
  try {
    if (kind === "tray" || kind === "shared") take(await (await post("/api/v1/playlist", { tracks: ids, order: "rank" })).json(), kind);
    else take(await askJson(`/api/v1/playlist?${new URLSearchParams([...address].filter(([name]) => name !== "make"))}`), kind);
  } catch (error) {
    update({ problem: error.message, busy: false });
  }
}

function take(made, kind) {
  const details = new Map(made.tracks.map((track) => [track.track_id, track]));
  update({ made, details, remarks: made.remarks || [], busy: false, problem: "" });
  if (kind !== "tray") announce(`${plural(made.tracks.length, "track")}, ${clock(made.seconds)}`);
}

async function orderForFlow() {
  update({ busy: true });
  try {
    const made = await (await post("/api/v1/playlist", { tracks: trayTracks().map((track) => track.track_id), order: "flow" })).json();
    const ordered = new Set(made.tracks.map((track) => track.track_id));
    setTray([...made.tracks, ...trayTracks().filter((track) => !ordered.has(track.track_id))]);
    take(made, "tray");
    announce("The playlist is in order for flow");
  } catch (error) {
    update({ problem: error.message, busy: false });
  }
}

async function save(format) {
  const title = byId("name")?.value.trim() || "tonelake";
  try {
    const tracks = tracksOn(state).map((track) => track.track_id);
    const response = await post("/api/v1/playlist", { tracks, order: "rank", title, format });
    const address = URL.createObjectURL(await response.blob());
    const link = Object.assign(document.createElement("a"), { href: address, download: `${title.replace(/[\\/:*?"<>|]+/g, " ")}.${format}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  } catch (error) {
    update({ problem: error.message });
  }
}

function moveTo(from, to) {
  const tracks = trayTracks();
  if (to < 0 || to >= tracks.length || from === to) return;
  const [moved] = tracks.splice(from, 1);
  tracks.splice(to, 0, moved);
  setTray(tracks);
  announce(`${titleOf(moved)} is number ${to + 1} of ${tracks.length}`);
}

/** Move by a button, and keep the focus on that button of the moved track. */
function step(index, by) {
  moveTo(index, index + by);
  const row = root.querySelectorAll(".hit")[index + by];
  const [up, down] = row?.querySelectorAll(".step") || [];
  const button = by < 0 ? up : down;
  (button?.disabled ? (by < 0 ? down : up) : button)?.focus();
}

async function share() {
  const address = new URL(location.pathname, location.origin);
  if (madeBy(state.address) === "tray") address.searchParams.set("tracks", trayTracks().map((track) => track.track_id).join(","));
  else address.search = location.search;
  await navigator.clipboard?.writeText(address.href).then(() => update({ remarks: ["The address of this playlist is copied."] }), () => go(address.searchParams));
}

function Row({ track, index, tracks, isTray, over }) {
  const title = titleOf(track);
  const move = (by, name, label) => html`<button class="plain step" disabled=${!tracks[index + by]} title=${label} aria-label=${`${label}: ${title}`}
    onClick=${() => step(index, by)}>${icon(name)}</button>`;
  const drag = isTray && {
    draggable: true,
    onDragStart: (event) => (event.dataTransfer.setData("text/plain", title), (state.dragged = index)),
    onDragOver: (event) => state.dragged !== null && (event.preventDefault(), over !== index && update({ over: index })),
    onDrop: (event) => (event.preventDefault(), moveTo(state.dragged, index), update({ dragged: null, over: null })),
    onDragEnd: () => update({ dragged: null, over: null }),
  };
  return html`<${Hit} hit=${{ ...track, score: null, best: null }} hits=${tracks.map((each) => ({ ...each, best: null }))} row=${drag} over=${over === index}>
    ${isTray && html`${move(-1, "up", "Move up")}${move(1, "down", "Move down")}`}<//>`;
}

function Maker({ kind, address }) {
  const submit = (event) => {
    event.preventDefault();
    go(new URLSearchParams(new FormData(event.target)));
  };
  const field = (name, label, rest) => html`<label class=${rest.small ? "small" : ""}>${label}<input name=${name} value=${address.get(name) || ""} ...${rest} /></label>`;
  const known = html`<datalist id="known">${trayTracks().map((track) => html`<option value=${track.track_id}>${titleOf(track)}</option>`)}</datalist>`;
  if (kind === "words")
    return html`<form class="maker" onSubmit=${submit}>${field("text", "Words that describe it", { required: true, maxlength: 1000, placeholder: "rainy evening jazz" })}
      ${field("minutes", "Minutes", { type: "number", min: 1, max: 600, small: true, placeholder: "60" })}
      <button class="button main">Make the playlist</button></form>`;
  return html`<form class="maker" onSubmit=${submit}>${field("from", "From: a title or an id", { required: true, list: "known" })}${field("to", "To: a title or an id", { required: true, list: "known" })}
    ${field("n", "Tracks", { type: "number", min: 2, max: 100, small: true, placeholder: "20" })}${known}
    <button class="button main">Find the path</button></form>`;
}

function Head({ kind, tracks }) {
  const seconds = tracks.reduce((sum, track) => sum + (track.duration_s || 0), 0);
  const isTray = kind === "tray";
  const keep = () => (setTray([...trayTracks(), ...tracks]), go(new URLSearchParams()));
  const queue = tracks.map((track) => ({ track, from: 0 }));
  return html`<div class="head">
    <button class="button main" onClick=${() => play(tracks[0], { queue })}>${icon("play")} Play</button>
    ${isTray ? html`<button class="button" onClick=${orderForFlow} disabled=${tracks.length < 3}>Order for flow</button>` : html`<button class="button" onClick=${keep}>${icon("plus")} Keep in the tray</button>`}
    <p class="grow">${plural(tracks.length, "track")}, ${clock(seconds)}</p>
    <label class="line">Name <input id="name" maxlength="100" placeholder="My playlist" /></label>
    <div class="switch" role="group" aria-label="Save as a file">${FORMATS.map((format) => html`<button onClick=${() => save(format)} aria-label=${`Save as ${format.toUpperCase()}`}>${format.toUpperCase()}</button>`)}</div>
    <button class="button" onClick=${share}>${icon("share")} Share</button>
    ${isTray && html`<button class="button" onClick=${() => (setTray([]), update({ details: new Map(), remarks: [] }))}>Empty</button>`}
  </div>`;
}

function Page(props) {
  const { address, remarks, problem, busy, over } = props;
  const kind = madeBy(address);
  const tracks = tracksOn(props);
  const tabs = [["tray", "", "Tray"], ["words", "?make=words", "From words"], ["path", "?make=path", "Path between two tracks"]];
  const empty = kind === "tray" && !tracks.length;
  return html`
    <div class="head"><div class="grow"><h1>Playlist</h1></div>
      <nav class="switch" aria-label="Kinds of playlist">${tabs.map(([name, query, label]) =>
        html`<a href=${`/playlist${query}`} aria-current=${name === kind ? "page" : undefined} onClick=${(event) => (event.preventDefault(), go(new URLSearchParams(query)))}>${label}</a>`)}</nav></div>
    ${(kind === "words" || kind === "path") && html`<${Maker} kind=${kind} address=${address} key=${String(address)} />`}
    ${problem && html`<p class="remark" role="alert">${problem}</p>`}
    ${remarks.map((line) => html`<p class="remark" key=${line}>${line}</p>`)}
    ${tracks.length > 0 && html`<${Head} kind=${kind} tracks=${tracks} />
      <ol class="hits ordered" aria-label="Tracks in order" aria-busy=${String(busy)}>${tracks.map((track, index) =>
        html`<${Row} key=${track.track_id} track=${track} index=${index} tracks=${tracks} isTray=${kind === "tray"} over=${over} />`)}</ol>`}
    ${empty && html`<div class="state"><h2>The tray is empty</h2><p>Put tracks into it with ${icon("plus")} in a search, on the map or on a track's page. It stays in this browser.</p>
      <p><a href="/">Search for tracks</a>, or make a playlist from words or as a path between two tracks.</p></div>`}
    ${busy && !tracks.length && html`<p class="quiet">Listening …</p>`}`;
}

addEventListener("popstate", () => go(new URLSearchParams(location.search), false));
onPlayer(() => update());
onTray(() => update());
update();
load();
