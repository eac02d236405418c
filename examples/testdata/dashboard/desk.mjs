// What the parts of the test have in common: the receiver, the calls, people at their browsers, and two ways to do things.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

export const base = `${process.env.CALLGATE_URL}/callgate/`;
const receiverPort = Number(process.env.PORT);
export const receiver = `http://127.0.0.1:${receiverPort}`;
const limit = 30_000;

/** What callers say, and nobody may see without a reveal. */
export const canaries = ['Zebulon', 'Quackenbush', 'canary.example', 'leaky pipe', '9870042', '987-0042'];

export function check(is, what) {
  if (!is) throw new Error(what);
}

/** What came to the receiver, as `${path} ${body}`. */
export const came = [];

/** startReceiver is a receiving system whose old version, at /old/…, takes nothing any more; the new one is at /new/…. */
export async function startReceiver() {
  const server = createServer(async (q, a) => {
    let body = '';
    for await (const part of q) body += part;
    came.push(`${q.url} ${body}`);
    const old = q.url.startsWith('/old/');
    a.writeHead(old ? 422 : 200, { 'Content-Type': 'application/json' });
    a.end(old ? '{"error":"version 1 takes no calls any more"}' : `{"ok":true,"id":"rec_${came.length}"}`);
  });
  await new Promise((done) => server.listen(receiverPort, '127.0.0.1', done));
  return server;
}

/** until waits for a condition that no event tells of. */
export async function until(what, is) {
  for (const end = Date.now() + limit; ; ) {
    const got = await is();
    if (got) return got;
    check(Date.now() < end, `${what}: not in ${limit / 1000} s`);
    await new Promise((later) => setTimeout(later, 25));
  }
}

let calls = 0;
/** call sends what NextPhone sends, and gives the id of the event. */
export async function call(tenant = 'clinic-a') {
  calls++;
  const body = JSON.stringify({ lead: { name: 'Zebulon Quackenbush', phone: '+15559870042', email: 'zeb@canary.example', notes: 'leaky pipe in the kitchen', call_id: `call-${calls}` } });
  const secret = process.env[tenant === 'clinic-a' ? 'CLINIC_A_SECRET' : 'CLINIC_B_SECRET'];
  const answer = await fetch(new URL(`/hooks/${tenant}`, base), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Nextphone-Signature': createHmac('sha256', secret).update(body).digest('hex') },
    body,
  });
  const text = await answer.text();
  check(answer.status === 200, `a call is answered ${answer.status} ${text}`);
  return JSON.parse(text).id;
}

/** api asks the dashboard's API as somebody. */
export async function api(who, path, body) {
  const answer = await fetch(base + 'api/' + path, {
    method: body ? 'POST' : 'GET',
    headers: { Authorization: 'Basic ' + btoa(who + ':pass'), 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  check(answer.ok, `${who}: ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

let browser;
export async function startBrowser() {
  // As root there is no sandbox to be had, and nothing but our own pages is opened.
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  return browser;
}

/** What browsers complained of: scripts that failed, and what the Content-Security-Policy kept out. */
export const complaints = [];

/** refused takes out that a page was answered with a status: the browser says so too where that is right. */
export function refused(url, status) {
  const i = complaints.findIndex((c) => c.includes(`at ${url}: Failed to load resource`) && c.includes(` ${status} `));
  if (i >= 0) complaints.splice(i, 1);
}

/** sit has somebody sit down at a browser of their own. */
export async function sit(who, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', timezoneId: 'Europe/Zurich', colorScheme: 'light', httpCredentials: who && { username: who, password: 'pass' }, ...options });
  context.setDefaultTimeout(limit);
  if (options.javaScriptEnabled !== false) await context.addInitScript(() => addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} of ${e.blockedURI} at ${e.sourceFile}:${e.lineNumber}`)));
  const page = await context.newPage();
  page.on('console', (m) => m.type() === 'error' && complaints.push(`${who} at ${page.url()}: ${m.text()}`));
  page.on('pageerror', (e) => complaints.push(`${who} at ${page.url()}: ${e.stack}`));
  return page;
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** looked fails for what axe finds on a page. */
export async function looked(page, what) {
  // What is evaluated so is the test's own, and the page's policy does not see it.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe + ';0');
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 4).map((n) => `${n.html.slice(0, 200)} (${n.any.concat(n.all)[0]?.message ?? ''})`).join('; ')}`);
  });
  return found.map((f) => `${what}: ${f}`);
}

/** byMouse clicks, and types where it has clicked. */
export const byMouse = {
  press: (_, target) => target.click(),
  async write(page, target, text) {
    await target.click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type(text);
  },
};

/** byKeyboard gets everywhere with Tab, sees each time where it is, and presses Enter. */
export const byKeyboard = {
  async press(page, target) {
    await reach(page, target);
    await page.keyboard.press('Enter');
  },
  async write(page, target, text) {
    await reach(page, target);
    await page.keyboard.press('Control+A');
    await page.keyboard.type(text);
  },
};

async function reach(page, target) {
  await target.waitFor();
  for (let i = 0; i < 150; i++) {
    if (await target.evaluate((e) => e === document.activeElement)) {
      const seen = await target.evaluate((e) => {
        for (let at = e; at && at !== document.body; at = at.parentElement) {
          const s = getComputedStyle(at);
          if (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) return true;
        }
        return false;
      });
      check(seen, `who comes to ${target} by keyboard does not see it`);
      return;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error(`${target} is not reached by keyboard at ${page.url()}`);
}
