// Following: a stream tells that something is new, and the list is fetched again. It can be stopped, says so seldom, and goes on
// by itself when the gateway was away.
import { away, fetchPage, say, swap } from "./page.js";

let stream, timer, fresh = 0;

function button() { return document.querySelector("[data-follow]"); }

function tell(text) {
  const box = document.getElementById("following");
  if (box) box.textContent = text;
}

async function refresh() {
  timer = undefined;
  const calls = fresh;
  fresh = 0;
  const page = await fetchPage(location.href);
  away(!page);
  if (!page || !swap("list", page)) return;
  mark();
  if (calls) say(calls === 1 ? "One new call." : calls + " new calls.");
}

function later() { timer ??= setTimeout(refresh, 2500); }

function start() {
  stream = new EventSource(document.getElementById("list").dataset.live);
  stream.addEventListener("event", () => { fresh++; later(); });
  for (const kind of ["attempt", "gap"]) stream.addEventListener(kind, later);
  stream.addEventListener("open", () => { away(false); later(); });
  stream.addEventListener("error", () => {
    away(true);
    if (stream && stream.readyState === EventSource.CLOSED) { stop(); setTimeout(() => { if (wanted()) start(); }, 5000); }
  });
}

function stop() { if (stream) stream.close(); stream = undefined; }

function wanted() { return new URL(location.href).searchParams.has("live"); }

/** Shows on the button, which may be a new one, whether the list is followed. */
function mark() {
  const b = button();
  if (!b) return;
  b.closest("[data-script]").hidden = false;
  b.setAttribute("aria-pressed", String(wanted()));
  b.textContent = wanted() ? "Stop following" : "Follow";
  tell(wanted() ? "Following." : "");
}

document.addEventListener("click", (e) => {
  if (!e.target.closest("[data-follow]")) return;
  const here = new URL(location.href);
  if (wanted()) here.searchParams.delete("live"); else here.searchParams.set("live", "1");
  history.replaceState(null, "", here);
  if (wanted()) start(); else stop();
  mark();
  say(wanted() ? "Following new calls." : "Not following any more.");
});
document.addEventListener("visibilitychange", () => { // a tab that nobody sees costs nothing
  if (document.hidden) stop(); else if (wanted() && !stream) start();
});
if (wanted() && button()) start();
mark();
