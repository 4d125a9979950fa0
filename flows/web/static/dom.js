// What every page uses: elements, icons, numbers as text, requests, and what a screen reader is told.

import { Component, createRef, h, render } from "/static/vendor/preact.mjs";
import htm from "/static/vendor/htm.mjs";

export { Component, createRef, render };
export const html = htm.bind(h);

/** An icon of icons.svg; it carries no meaning of its own, so its button has the label. */
export const icon = (name) => html`<svg class="icon" aria-hidden="true"><use href=${`/static/icons.svg#${name}`} /></svg>`;

export const byId = (id) => document.getElementById(id);

/** Seconds as "3:07", from an hour on as "1:02:45". */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

export const count = (number) => Number(number).toLocaleString("en");
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** The title of a track, else the name of its file, else its id. */
export const titleOf = (track) => track.title || (track.uri || "").split("/").pop() || track.track_id.slice(0, 8);
export const bylineOf = (track) => [track.artist, track.album, track.year].filter(Boolean).join(" · ");
export const keyOf = (track) => [track.musical_key, track.mode].filter(Boolean).join(" ");

/** An error in the words of the service: what is wrong, and what to do next. */
export class Problem extends Error {}

/** Ask the API. Raises Problem with the service's own words, or AbortError. */
export async function ask(address, options = {}) {
  const response = await fetch(address, { headers: { Accept: "application/json" }, ...options }).catch((error) => {
    throw error.name === "AbortError" ? error : new Problem("The service does not answer. Start it again with: tonelake serve");
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) location.assign("/login");
  throw new Problem(problem.detail || problem.title || `The service answered ${response.status}.`);
}

export const askJson = async (address, options) => (await ask(address, options)).json();
export const post = (address, body) =>
  ask(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** Say a line to screen readers, without showing it. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** Call a function when it has not been called again for a while. */
export function debounce(milliseconds, run) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}

export const isTyping = (target) => target.closest("input:not([type=range]):not([type=checkbox]), textarea, select");
const KEYS = "tonelake.keys";
export const keysAreOn = () => localStorage.getItem(KEYS) !== "off";
export const switchKeys = (on) => localStorage.setItem(KEYS, on ? "on" : "off");

/** Bind single keys, such as {j: run}; they rest while somebody types, and can be switched off (WCAG 2.1.4). */
export function bindKeys(bindings) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    const isButton = event.target.closest("button, a, summary, input, [role=button]");
    if (!bindings[event.key] || !keysAreOn() || (event.key === " " && isButton)) return;
    event.preventDefault();
    bindings[event.key](event);
  });
}
