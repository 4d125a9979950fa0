// The tray: tracks that somebody collects across pages. It stays in this browser (localStorage).

const KEY = "tonelake.tray";
const MAX_TRACKS = 2000; // as many as a playlist of the engine has
const listeners = new Set();
let ids = new Set();

export function trayTracks() {
  try {
    const tracks = JSON.parse(localStorage.getItem(KEY) || "[]");
    return Array.isArray(tracks) ? tracks.filter((track) => track && typeof track.track_id === "string") : [];
  } catch {
    return [];
  }
}

export const inTray = (id) => ids.has(id);

/** Keep these tracks, each once, as the tray. */
export function setTray(tracks) {
  const kept = new Map();
  for (const { track_id, title, artist, album, year, uri, duration_s, bpm, musical_key, mode } of tracks)
    if (!kept.has(track_id))
      kept.set(track_id, { track_id, title, artist, album, year, uri, duration_s, bpm, musical_key, mode });
  localStorage.setItem(KEY, JSON.stringify([...kept.values()].slice(0, MAX_TRACKS)));
  tell();
}

export function toggleInTray(track) {
  const rest = trayTracks().filter((each) => each.track_id !== track.track_id);
  setTray(inTray(track.track_id) ? rest : [...rest, track]);
}

export const onTray = (listener) => listeners.add(listener);

function tell() {
  const badge = document.getElementById("tray-count");
  ids = new Set(trayTracks().map((track) => track.track_id));
  const number = ids.size;
  if (badge) {
    badge.textContent = number ? String(number) : "";
    badge.hidden = !number;
  }
  for (const listener of listeners) listener();
}

window.addEventListener("storage", (event) => event.key === KEY && tell());
tell();
