// Sounds that somebody drops, chooses or records become a part of the question: like=upload:HASH.

import { Problem, ask } from "./dom.js";

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_RECORDED_MS = 60_000;

/** Send a sound; return {upload, seconds}. Raises Problem in the words of the service. */
export async function upload(file, name) {
  if (file.size > MAX_BYTES) throw new Problem(`${name} is larger than 64 MB: cut out the part that matters.`);
  return (await ask("/api/v1/uploads", { method: "POST", body: file })).json();
}

/** Call onFile with each file that is dropped anywhere on the page, and mark the page meanwhile. */
export function watchDrops(onFile) {
  const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const mark = (is) => document.body.classList.toggle("dropping", is);
  addEventListener("dragover", (event) => hasFiles(event) && (event.preventDefault(), mark(true)));
  addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(false);
    for (const file of event.dataTransfer.files) onFile(file);
  });
}

/** Record from the microphone; return a function that stops. onSound gets the recording. */
export async function record(onSound) {
  if (!navigator.mediaDevices?.getUserMedia)
    throw new Problem("This page may not use the microphone: browsers allow it on localhost and over https.");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => {
    throw new Problem("The microphone is not available: allow it for this page, or drop an audio file instead.");
  });
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  recorder.addEventListener("stop", () => {
    for (const track of stream.getTracks()) track.stop();
    onSound(new Blob(pieces, { type: recorder.mimeType }));
  });
  recorder.start();
  const stop = () => recorder.state !== "inactive" && recorder.stop();
  setTimeout(stop, MAX_RECORDED_MS);
  return stop;
}
