// Filters: what the lake can be narrowed by, with how many tracks each choice leaves.

import { Component, count, html, icon } from "./dom.js";
import { FILTERS, change, put, toggle } from "./query.js";

const SHOWN = 8;
const NOTES = "C C# D Eb E F F# G Ab A Bb B".split(" ");
const SINGLE = new Set(["artist", "year"]); // one value at a time; of genres and tags a track has all that are chosen

/** A list of values with their counts. Chosen values stay in sight, whatever their counts. */
class Choices extends Component {
  state = { all: false };

  render({ name, label, values, query, onQuery }, { all }) {
    const chosen = query.getAll(name);
    const known = new Set(values.map((each) => String(each.value)));
    const list = [...chosen.filter((value) => !known.has(value)).map((value) => ({ value, tracks: null })), ...values];
    if (!list.length) return null;
    const shown = all ? list : list.filter((each, index) => index < SHOWN || chosen.includes(String(each.value)));
    const choose = (value) => onQuery(SINGLE.has(name) ? put(query, name, chosen.includes(value) ? "" : value) : toggle(query, name, value));
    return html`<fieldset class="facet">
      <legend>${label}</legend>
      <ul>${shown.map((each) => {
        const value = String(each.value);
        return html`<li key=${value}><label><input type="checkbox" checked=${chosen.includes(value)} onChange=${() => choose(value)} />
          <span class="value">${value}</span> <span class="count">${each.tracks === null ? "" : count(each.tracks)}</span></label></li>`;
      })}</ul>
      ${list.length > SHOWN && html`<button class="link" aria-expanded=${String(all)} onClick=${() => this.setState({ all: !all })}>
        ${all ? "fewer" : `${list.length - SHOWN} more`}<span class="hidden"> of ${label}</span></button>`}
    </fieldset>`;
  }
}

function Field({ name, label, hint, query, onQuery, ...rest }) {
  return html`<label class="field"><span>${label}</span>
    <input value=${query.get(name) || ""} placeholder=${hint} ...${rest}
      onChange=${(event) => onQuery(put(query, name, event.target.value.trim()))} /></label>`;
}

function Select({ name, label, choices, query, onQuery }) {
  return html`<label class="field"><span>${label}</span>
    <select value=${query.get(name) || ""} onChange=${(event) => onQuery(put(query, name, event.target.value))}>
      ${choices.map(([value, text]) => html`<option value=${value} selected=${value === (query.get(name) || "")}>${text}</option>`)}
    </select></label>`;
}

const KEYS = ["minor", "major"].flatMap((mode) => NOTES.map((note) => [`${note} ${mode}`, `${note} ${mode}`]));

/** Props: query, facets {genre, tag, year, artist: [{value, tracks}]}, onQuery, onClose. */
export function Facets({ query, facets, onQuery, onClose }) {
  const rest = { query, onQuery };
  const filters = FILTERS.filter((name) => query.has(name));
  const clear = () => onQuery(filters.reduce((kept, name) => change(kept, name, () => []), query));
  return html`
    <div class="facets-head"><h2>Filters</h2>
      ${filters.length > 0 && html`<button class="link" onClick=${clear}>clear</button>`}
      <button class="button narrow-only" onClick=${onClose}>Done</button></div>
    ${[["genre", "Genre"], ["tag", "Tag"], ["artist", "Artist"], ["year", "Year"]].map(([name, label]) =>
      html`<${Choices} key=${name} name=${name} label=${label} values=${facets?.[name] || []} ...${rest} />`)}
    <fieldset class="facet fields">
      <legend>Sound</legend>
      <${Field} name="bpm" label="Tempo" hint="118-122" inputmode="numeric" ...${rest} />
      <${Select} name="key" label="Key" choices=${[["", "any"], ...KEYS]} ...${rest} />
      <${Field} name="min_duration" label="At least" hint="1:30" ...${rest} />
    </fieldset>
    <details class="facet" open=${["where", "territory", "on", "any_date", "year"].some((name) => query.has(name))}>
      <summary>More filters</summary>
      <div class="fields">
        <${Field} name="year" label="Years" hint="1990-1999" ...${rest} />
        <${Field} name="territory" label="Territory" hint="DE" maxlength="2" ...${rest} />
        <${Field} name="on" label="Available on" type="date" ...${rest} />
        <label class="line"><input type="checkbox" checked=${query.has("any_date")}
          onChange=${(event) => onQuery(put(query, "any_date", event.target.checked ? "true" : ""))} /> on any day</label>
        <${Field} name="where" label="SQL" hint="label = 'ECM'" ...${rest} />
      </div>
    </details>
    <fieldset class="facet fields">
      <legend>Variety</legend>
      <${Select} name="per_artist" label="Of an artist" choices=${[["", "any number"], ["1", "at most 1"], ["2", "at most 2"], ["3", "at most 3"]]} ...${rest} />
      <label class="field"><span>Diversity</span><input type="range" min="0" max="1" step="0.1" value=${query.get("diversity") || 0}
        onChange=${(event) => onQuery(put(query, "diversity", Number(event.target.value) ? event.target.value : ""))} /></label>
      <label class="line"><input type="checkbox" checked=${query.has("distinct")}
        onChange=${(event) => onQuery(put(query, "distinct", event.target.checked ? "true" : ""))} /> each recording once</label>
    </fieldset>`;
}

/** The filters in use, to see and to drop where the panel is closed, as on a phone. */
export function FilterChips({ query, onQuery }) {
  const LABELS = { within: "a selection", any_date: "any day" };
  const chips = FILTERS.flatMap((name) => query.getAll(name).map((value) => [name, value]));
  if (!chips.length) return null;
  return html`<ul class="chips filters" aria-label="Filters in use">${chips.map(([name, value]) =>
    html`<li class="chip" key=${name + value}><span class="kind">${LABELS[name] ? "" : name.replace("_", " ")}</span>
      <span class="name">${LABELS[name] || value}</span>
      <button class="plain" aria-label=${`Remove the filter ${name} ${value}`}
        onClick=${() => onQuery(change(query, name, (values) => values.filter((each) => each !== value)))}>${icon("close")}</button></li>`)}</ul>`;
}
