// What every page has: times in the reader's zone, questions in a dialog, copying, and trying again. Without it every page
// works as well: forms are sent, questions are pages of their own.

const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
const dated = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** Puts the reader's time in place of UTC, which stays in the title. */
export function localize(within) {
  const now = new Date();
  for (const e of within.querySelectorAll("time[datetime]")) {
    const at = new Date(e.dateTime);
    if (isNaN(at)) continue;
    const old = now - at > 300 * 864e5;
    e.textContent = "clock" in e.dataset && dated.format(at) === dated.format(now) ? clock.format(at) : old ? dated.format(at) + " " + clock.format(at) : day.format(at);
  }
}

let saying;
/** Has screen readers say something, at most every three seconds. */
export function say(text) {
  const box = document.getElementById("says");
  clearTimeout(saying);
  saying = setTimeout(() => { box.textContent = text; }, box.textContent ? 3000 : 50);
}

/** Fetches a page of ours; null if it cannot be had now. */
export async function fetchPage(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "follow" });
    if (!answer.ok || answer.url.split("?")[0] !== new URL(address, location.href).href.split("?")[0]) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null;
  }
}

/** Says that the gateway does not answer, or no more that it does not. */
export function away(is) {
  const box = document.getElementById("away");
  if (box.hidden === is) box.hidden = !is;
}

/** Shows what works with scripts only. */
function unhide(within) { for (const e of within.querySelectorAll("[data-script]")) e.hidden = false; }

/** Swaps an element for the one of the same id in another document, and keeps the focus and what is ticked. */
export function swap(id, from) {
  const old = document.getElementById(id), fresh = from.getElementById(id);
  if (!old || !fresh) return false;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const ticked = new Set([...old.querySelectorAll("input:checked")].map((e) => e.value));
  const node = document.importNode(fresh, true);
  const [were, are] = [old, node].map((e) => [...e.querySelectorAll("details")]);
  if (were.length === are.length) were.forEach((e, i) => { are[i].open = e.open; });
  localize(node);
  unhide(node);
  for (const e of node.querySelectorAll("input[type=checkbox]")) e.checked = ticked.has(e.value);
  old.replaceWith(node);
  if (focused) {
    const same = focused.id && document.getElementById(focused.id) || focused.href && [...node.querySelectorAll("a")].find((a) => a.href === focused.href);
    if (same) same.focus();
    else { node.tabIndex = -1; node.focus(); }
  }
  return true;
}

/** Shows the question of a link in a dialog. What it asks is the page that the link leads to. */
async function ask(link) {
  const page = await fetchPage(link.href);
  const question = page && page.getElementById("ask");
  if (!question) { location.href = link.href; return; }
  const box = document.createElement("dialog");
  const title = page.querySelector("h1");
  title.id = "asked";
  box.setAttribute("aria-labelledby", "asked");
  box.append(document.importNode(title, true), document.importNode(question, true));
  localize(box);
  unhide(box);
  box.addEventListener("click", (e) => {
    if (e.target.closest("[data-back]")) { e.preventDefault(); box.close(); }
  });
  box.addEventListener("close", () => { box.remove(); link.focus(); });
  document.body.append(box);
  box.showModal();
  (box.querySelector("input:not([type=hidden], [type=checkbox])") || box.querySelector("[data-back]")).focus();
}

document.addEventListener("click", (e) => {
  const link = e.target.closest("a[data-ask]");
  if (link && !e.metaKey && !e.ctrlKey && !e.shiftKey && e.button === 0) { e.preventDefault(); ask(link); }
  const copy = e.target.closest("button[data-copy]");
  if (copy) {
    const of = document.getElementById(copy.dataset.copy);
    navigator.clipboard.writeText(of.textContent).then(() => say("Copied."), () => say("It could not be copied; select it by hand."));
  }
});

document.addEventListener("change", (e) => {
  if (!e.target.matches("[data-all]")) return;
  const boxes = e.target.closest("form").querySelectorAll("tbody input[type=checkbox]");
  for (const b of boxes) b.checked = e.target.checked;
  say(e.target.checked ? boxes.length + " chosen." : "None chosen.");
});

localize(document);
unhide(document);
for (const e of document.querySelectorAll("input[name=zone]")) e.value = Intl.DateTimeFormat().resolvedOptions().timeZone;

// What was just done is said once: the address of the page is without it, for bookmarks and for loading it again.
const here = new URL(location.href);
if (here.searchParams.has("note")) {
  here.searchParams.delete("note");
  history.replaceState(null, "", here);
}

// Suggestions are for the word that is being typed.
const box = document.querySelector("input[type=search][list]");
if (box) {
  const all = [...box.list.options].map((o) => o.value);
  box.addEventListener("input", () => {
    const before = box.value.slice(0, box.value.lastIndexOf(" ") + 1);
    box.list.replaceChildren(...all.map((word) => new Option("", before + word)));
  });
}

// What changes by itself is fetched again while somebody looks at it.
// Where each look is recorded it ends after some times.
let looked = Date.now(), times = 0;
setInterval(async () => {
  const region = document.querySelector("[data-refresh]");
  if (!region || document.hidden || document.querySelector("dialog[open]") || Date.now() - looked < region.dataset.refresh * 1000 || times >= (region.dataset.times || Infinity)) return;
  looked = Date.now();
  times++;
  const page = await fetchPage(location.href);
  away(!page);
  if (!page) return;
  if (document.title !== page.title) { document.title = page.title; say(page.title); }
  swap(region.id, page);
}, 1000);

// A page that could not be had is asked for again until it can.
if (document.querySelector("[data-retry]")) {
  const again = setInterval(async () => {
    if (await fetchPage(location.href)) { clearInterval(again); location.reload(); }
  }, 5000);
}
