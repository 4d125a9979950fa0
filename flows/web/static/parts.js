// The blend: every track, sound or text beside the question is a chip with a weight.

import { Component, askJson, html, icon, titleOf } from "./dom.js";
import { add, change, drop, partsOf, writePart } from "./query.js";

const WORDS = { like: "more like", unlike: "less like", also: "also", not: "without" };
const names = new Map(Object.entries(JSON.parse(sessionStorage.getItem("tonelake.names") || "{}")));

/** Remember what a track or an upload is called, for its chip. */
export function rememberName(value, name) {
  names.set(value, name);
  sessionStorage.setItem("tonelake.names", JSON.stringify(Object.fromEntries([...names].slice(-200))));
}

/** The name of a part: words as they are, a track by its title. Asks for it once where it is unknown. */
function nameOf({ kind, value }, onName) {
  if (kind === "also" || kind === "not") return value;
  if (!names.has(value)) {
    names.set(value, value.startsWith("upload:") ? "a sound" : value.slice(0, 8));
    if (!value.startsWith("upload:"))
      askJson(`/api/v1/tracks/${encodeURIComponent(value)}`)
        .then(({ hit }) => hit && rememberName(value, titleOf(hit)))
        .then(onName, () => {});
  }
  return names.get(value);
}

export function Chip({ part, query, onQuery, onName }) {
  const name = nameOf(part, onName);
  const against = part.kind === "unlike" || part.kind === "not";
  const weigh = (weight) => change(query, part.kind, (values) => values.map((typed) => (typed === part.typed ? writePart(part.value, weight) : typed)));
  return html`<li class=${`chip ${against ? "against" : ""}`}>
    <span class="kind">${WORDS[part.kind]}</span> <span class="name" title=${name}>${name}</span>
    <input type="range" min="0.05" max="1" step="0.05" value=${Math.abs(part.weight)} title="Weight"
      aria-label=${`Weight of ${WORDS[part.kind]} ${name}`} onInput=${(event) => onQuery(weigh(Number(event.target.value)), { settles: false })} />
    <output>${Math.abs(part.weight).toFixed(2)}</output>
    <button class="plain" aria-label=${`Remove ${WORDS[part.kind]} ${name}`} onClick=${() => onQuery(drop(query, part.kind, part.typed))}>${icon("close")}</button>
  </li>`;
}

/** The chips, and a field each for words that count as well, and words that must not describe a hit. */
export class Parts extends Component {
  render({ query, onQuery }) {
    const parts = partsOf(query);
    const adds = (kind, label) => html`<form class="adder" onSubmit=${(event) => {
      event.preventDefault();
      const field = event.target.elements[0];
      if (field.value.trim()) onQuery(add(query, kind, writePart(field.value.trim(), 1)));
      field.value = "";
    }}>
      <input aria-label=${label} placeholder=${label} size="9" maxlength="200" />
    </form>`;
    return html`
      ${parts.length > 0 && html`<ul class="chips">${parts.map((part) =>
        html`<${Chip} key=${part.kind + part.value} part=${part} query=${query} onQuery=${onQuery} onName=${() => this.forceUpdate()} />`)}</ul>`}
      ${adds("also", "also …")} ${adds("not", "without …")}`;
  }
}
