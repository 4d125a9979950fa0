// The state of the lake, renewed while a run is in progress, and every minute otherwise.

import { announce, byId } from "./dom.js";
import "./player.js";

const SOON = 5000;
const LATER = 60_000;

async function renew() {
  try {
    const response = await fetch(location.href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const [old, fresh] = [byId("live"), page.getElementById("live")];
    if (fresh && fresh.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) {
      if (old.dataset.running !== fresh.dataset.running) announce("A run began or ended");
      old.replaceWith(document.adoptNode(fresh));
    }
  } catch {
    // the page stays as it is; the next try may succeed
  }
  wait();
}

function wait() {
  setTimeout(() => (document.hidden ? wait() : renew()), Number(byId("live").dataset.running) ? SOON : LATER);
}

wait();
