// The state of the lake, renewed while a run is in progress, and every minute otherwise.

import { announce, byId } from "./dom.js";
import "./player.js";

const SOON = 5000;
const LATER = 60_000;

async function renew() {
  const text = await fetch(location.href).then((response) => response.text(), () => ""); // no answer: the page stays
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
  const old = byId("live");
  if (fresh && fresh.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) {
    if (old.dataset.running !== fresh.dataset.running) announce("A run began or ended");
    old.replaceWith(document.adoptNode(fresh));
  }
  wait();
}

function wait() {
  setTimeout(() => (document.hidden ? wait() : renew()), Number(byId("live").dataset.running) ? SOON : LATER);
}

wait();
