// The question is the address: its parameters are those of /api/v1/search, so that every state can be shared.

export const PARTS = { like: "like", unlike: "unlike", also: "also", not: "not" };
export const FILTERS = ["artist", "genre", "tag", "year", "min_duration", "bpm", "key", "where", "on", "territory", "any_date", "within"];
export const OPTIONS = ["segments", "per_artist", "diversity", "distinct", "encoder"];
const WEIGHT = /^([\s\S]+):([+-]?\d*\.?\d+)$/;
const ALL = ["text", ...Object.keys(PARTS), ...FILTERS, ...OPTIONS];

/** The parameters of the page's address that belong to a question, in a fixed order. */
export function readQuery(search = location.search) {
  const given = new URLSearchParams(search);
  const query = new URLSearchParams();
  for (const name of ALL) for (const value of given.getAll(name)) if (value.trim()) query.append(name, value);
  return query;
}

/** The parts of a question beside its text: {kind, value, weight, typed}. The weight is from 0 to 1. */
export function partsOf(query) {
  return Object.keys(PARTS).flatMap((kind) =>
    query.getAll(kind).map((typed) => {
      const match = WEIGHT.exec(typed);
      return { kind, typed, value: match ? match[1] : typed, weight: match ? Number(match[2]) : 1 };
    }),
  );
}

/** A part as a parameter's value: with its weight if that is not 1, or if the value looks as if it had one. */
export const writePart = (value, weight) => (weight === 1 && !WEIGHT.test(value) ? value : `${value}:${Number(weight.toFixed(2))}`);

/** A question with one parameter's values changed by a function of the list. */
export function change(query, name, edit) {
  const changed = new URLSearchParams();
  for (const key of ALL) {
    const values = key === name ? edit(query.getAll(key)) : query.getAll(key);
    for (const value of values) changed.append(key, value);
  }
  return changed;
}

export const put = (query, name, value) => change(query, name, () => (value === "" || value == null ? [] : [String(value)]));
export const add = (query, name, value) => change(query, name, (values) => [...values.filter((each) => each !== value), value]);
export const drop = (query, name, value) => change(query, name, (values) => values.filter((each) => each !== value));
export const toggle = (query, name, value) => (query.getAll(name).includes(value) ? drop : add)(query, name, value);

/** Add a track or words to the blend; what it was before, like or unlike, is forgotten. */
export function blend(query, kind, value) {
  for (const part of partsOf(query)) if (part.value === value) query = drop(query, part.kind, part.typed);
  return add(query, kind, writePart(value, 1));
}

export const isEmpty = (query) => ![...query.keys()].some((name) => name === "text" || name in PARTS || name === "within" || FILTERS.slice(0, 8).includes(name));
export const filtersOf = (query) => [...FILTERS, "encoder"].reduce((kept, name) => change(kept, name, () => query.getAll(name)), new URLSearchParams());
