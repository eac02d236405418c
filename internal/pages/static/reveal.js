// What was revealed goes away: after a time, and when the page is left.
const timer = document.getElementById("gone");
const end = Date.now() + Number(timer.dataset.gone) * 1000;

function hide() { document.getElementById("revealed")?.remove(); }

function tick() {
  const left = Math.max(0, Math.round((end - Date.now()) / 1000));
  timer.textContent = "It goes away in " + Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0") + ".";
  if (left === 0) { hide(); location.replace(timer.dataset.backTo); }
}

// Loading it again, or coming back to it, leads to what is masked: else a browser would reveal again, unasked.
history.replaceState(null, "", timer.dataset.backTo);
timer.setAttribute("aria-live", "off");
tick();
setInterval(tick, 1000);
addEventListener("pagehide", hide);
addEventListener("pageshow", (e) => { if (e.persisted) location.replace(timer.dataset.backTo); });
