// A form that is checked while somebody types: the gateway says what is wrong, and this puts it beside what it is about.
// Without it there is the button Check.
const form = document.querySelector("form[data-check]");
let waiting, asked;

async function check() {
  asked?.abort();
  asked = new AbortController();
  const body = new URLSearchParams(new FormData(form));
  body.set("do", "check");
  try {
    const answer = await fetch(location.href, { method: "POST", body, signal: asked.signal });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const was of form.querySelectorAll("[role=status]")) {
      const is = page.getElementById(was.id);
      if (!is || is.textContent === was.textContent) continue;
      was.textContent = is.textContent;
      form.querySelector(`[aria-describedby~="${was.id}"]`)?.setAttribute("aria-invalid", String(is.textContent !== ""));
    }
  } catch {
    // it is checked again when it is kept
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(check, 300);
});
