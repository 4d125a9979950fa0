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

/** Show the form of the address's kind of playlist, filled in, and mark its entry in the menu. */
function showKind() {
  const kind = madeBy(state.address);
  for (const link of byId("kinds").children) link.ariaCurrent = link.dataset.kind === kind ? "page" : null;
  for (const form of document.querySelectorAll("form.maker")) {
    form.hidden = form.dataset.kind !== kind;
    for (const field of form.elements) if (field.name) field.value = state.address.get(field.name) || "";
  }
  render(trayTracks().map((track) => html`<option value=${track.track_id}>${titleOf(track)}</option>`), byId("known"));
}

function go(address, push = true) {
  const query = new URLSearchParams([...address].filter(([, value]) => value !== ""));
  history[push ? "pushState" : "replaceState"](null, "", query.size ? `?${query}` : location.pathname);
  update({ address: query, made: null, problem: "", remarks: [] });
  showKind();
  load();
}

/** Do something that asks the service; say what is wrong if it does not work. */
async function attempt(run) {
  update({ busy: true, problem: "" });
  await run().catch((error) => update({ problem: error.message }));
  update({ busy: false });
}

const idsOf = (tracks) => tracks.map((track) => track.track_id);
const arrange = async (tracks, order) => (await post("/api/v1/playlist", { tracks, order })).json();

/** Ask for the list that the address describes; of the tray only details, such as what has left the lake. */
async function load() {
  const { address } = state;
  const kind = madeBy(address);
  const ids = kind === "tray" ? idsOf(trayTracks()) : (address.get("tracks") || "").split(",").filter(Boolean);
  const isAsked = kind === "words" ? address.get("text") : kind === "path" ? address.get("from") && address.get("to") : ids.length;
  const wanted = new URLSearchParams([...address].filter(([name]) => name !== "make"));
  if (!isAsked) return;
  await attempt(async () => {
    const made = await (ids.length ? arrange(ids, "rank") : askJson(`/api/v1/playlist?${wanted}`));
    if (address === state.address) take(made, kind); // else somebody went on meanwhile
  });
}

function take(made, kind) {
  update({ made, details: new Map(made.tracks.map((track) => [track.track_id, track])), remarks: made.remarks || [] });
  if (kind === "path") ["from", "to"].forEach((name, end) => (byId(name).textContent = titleOf(made.tracks.at(-end))));
  if (kind !== "tray") announce(`${plural(made.tracks.length, "track")}, ${clock(made.seconds)}`);
}

const orderForFlow = () => attempt(async () => {
  const made = await arrange(idsOf(trayTracks()), "flow");
  const ordered = new Set(idsOf(made.tracks));
  setTray([...made.tracks, ...trayTracks().filter((track) => !ordered.has(track.track_id))]);
  take(made, "tray");
  announce("The playlist is in order for flow");
});

const save = (format) => attempt(async () => {
  const title = byId("name").value.trim() || "tonelake";
  const response = await post("/api/v1/playlist", { tracks: idsOf(tracksOn(state)), order: "rank", title, format });
  const href = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href, download: `${title.replace(/[\\/:*?"<>|]+/g, " ")}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
});

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
  if (madeBy(state.address) === "tray") address.searchParams.set("tracks", idsOf(trayTracks()).join(","));
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
  return html`<${Hit} hit=${track} hits=${tracks} row=${drag} over=${over === index}>
    ${isTray && html`${move(-1, "up", "Move up")}${move(1, "down", "Move down")}`}<//>`;
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
  const tracks = tracksOn(props).map((track) => ({ ...track, score: null, best: null })); // they play from their start
  return html`
    ${problem && html`<p class="remark" role="alert">${problem}</p>`}
    ${remarks.map((line) => html`<p class="remark" key=${line}>${line}</p>`)}
    ${tracks.length > 0 && html`<${Head} kind=${kind} tracks=${tracks} />
      <ol class="hits ordered" aria-label="Tracks in order" aria-busy=${String(busy)}>${tracks.map((track, index) =>
        html`<${Row} key=${track.track_id} track=${track} index=${index} tracks=${tracks} isTray=${kind === "tray"} over=${over} />`)}</ol>`}
    ${kind === "tray" && !tracks.length && html`<div class="state"><h2>The tray is empty</h2>
      <p>Put tracks into it with the plus sign in a search, on the map or on a track's page. It stays in this browser.</p>
      <p><a href="/">Search for tracks</a>, or make a playlist from words or as a path between two tracks.</p></div>`}
    ${busy && !tracks.length && html`<p class="quiet">Listening …</p>`}`;
}

for (const form of document.querySelectorAll("form.maker"))
  form.addEventListener("submit", (event) => (event.preventDefault(), go(new URLSearchParams(new FormData(form)))));
for (const link of byId("kinds").children)
  link.addEventListener("click", (event) => (event.preventDefault(), go(new URLSearchParams(link.search))));
addEventListener("popstate", () => go(new URLSearchParams(location.search), false));
onPlayer(() => update());
onTray(() => update());
showKind();
update();
load();
