// Filters: what the lake can be narrowed by, with how many tracks each choice leaves; and the fields beside them.

import { Component, byId, count, html, icon, render } from "./dom.js";
import { FILTERS, change, put, toggle } from "./query.js";

const SHOWN = 8;
const FACETS = { genre: "Genre", tag: "Tag", artist: "Artist", year: "Year" };
const SINGLE = ["artist", "year"]; // one value at a time; of genres and tags a track has all that are chosen

/** A list of values with their counts. Chosen values stay in sight, whatever their counts. */
class Choices extends Component {
  state = { all: false };

  render({ name, values, query, onQuery }, { all }) {
    const chosen = query.getAll(name);
    const known = values.map((each) => String(each.value));
    const list = [...chosen.filter((value) => !known.includes(value)).map((value) => ({ value })), ...values];
    if (!list.length) return null;
    const shown = all ? list : list.filter((each, index) => index < SHOWN || chosen.includes(String(each.value)));
    const choose = (value) => onQuery(SINGLE.includes(name) ? put(query, name, chosen.includes(value) ? "" : value) : toggle(query, name, value));
    return html`<fieldset class="facet">
      <legend>${FACETS[name]}</legend>
      <ul>${shown.map(({ value, tracks }) => html`<li key=${value}><label>
        <input type="checkbox" checked=${chosen.includes(String(value))} onChange=${() => choose(String(value))} />
        <span class="value">${value}</span> <span class="count">${tracks && count(tracks)}</span></label></li>`)}</ul>
      ${list.length > SHOWN && html`<button class="link" aria-expanded=${String(all)} onClick=${() => this.setState({ all: !all })}>
        ${all ? "fewer" : `${list.length - SHOWN} more`}<span class="hidden"> of ${FACETS[name]}</span></button>`}
    </fieldset>`;
  }
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

/** Show a question and its facets {genre, tag, artist, year: [{value, tracks}]} in the panel. */
export function showFilters(query, facets, onQuery) {
  render(Object.keys(FACETS).map((name) =>
    html`<${Choices} key=${name} name=${name} values=${facets?.[name] || []} query=${query} onQuery=${onQuery} />`), byId("choices"));
  byId("clear").hidden = !FILTERS.some((name) => query.has(name));
  for (const field of byId("fields").elements) {
    if (field.type === "checkbox") field.checked = query.has(field.name);
    else if (field.name && field !== document.activeElement) field.value = query.get(field.name) || (field.type === "range" ? 0 : "");
  }
}

/** Call onQuery with a function of the question when a field changes or the filters are cleared. */
export function watchFilters(onChange) {
  const open = (is) => (byId("filters").classList.toggle("open", is), is && byId("done").focus());
  const valueOf = ({ type, checked, value }) => (type === "checkbox" ? (checked ? "true" : "") : type === "range" && value === "0" ? "" : value.trim());
  byId("fields").addEventListener("change", ({ target }) => onChange((query) => put(query, target.name, valueOf(target))));
  byId("fields").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => onChange((query) => FILTERS.reduce((kept, name) => change(kept, name, () => []), query)));
  byId("done").addEventListener("click", () => open(false));
  return () => open(true);
}
