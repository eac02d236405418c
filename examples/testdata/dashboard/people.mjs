// What each person sees and can do, also without scripts and by keyboard; and what callers said, which nobody sees unasked.
import { api, base, call, came, canaries, check, looked, refused, sit, until } from './desk.mjs';

// Who has which pages in the navigation, and which of the things that can be done.
const watch = ['Overview', 'Events', 'Deliveries', 'Destinations'];
const people = {
  vera: [[...watch, 'Tenants'], []],
  clara: [[...watch, 'Tenants'], []],
  otto: [[...watch, 'Tenants'], ['replay', 'send', 'pause']],
  bill: [[...watch, 'Builder', 'Tenants'], ['builder']],
  audrey: [['Audit'], []],
  erna: [['Erase'], ['erase']],
  nora: [[], []], // somebody who has signed in, and has no role
  rita: [['Reveal'], []],
  ada: [[...watch, 'Builder', 'Tenants', 'Audit'], ['replay', 'send', 'pause', 'builder', 'erase', 'reveal']],
};
/** What can be done, by the links and buttons that lead there. */
const acts = {
  replay: '[href*="act/replay"], [formaction*="act/replay"], form[action*="act/replay"] button:not([formaction]):not([data-follow])',
  send: '[href*="act/send"], [formaction*="act/send"]',
  pause: '[href$="/pause"], [href$="/resume"]',
  erase: '[href*="act/erase"], [formaction*="act/erase"], form[action$="act/erase"]',
  builder: 'main [href*="/builder/"]',
  reveal: 'main [href$="/reveal"]',
};

/** roles walks everybody through all the pages that they have links to. */
export async function roles() {
  const [waits] = (await api('ada', 'deliveries?state=dead&destination=archive&tenant=clinic-a')).deliveries;
  for (const [who, [nav, may]] of Object.entries(people)) {
    const page = await sit(who);
    const asked = await page.goto(base);
    check(asked.status() === (nav.length ? 200 : 403), `${who} begins with ${asked.status()}`);
    if (nav.length === 0) refused(page.url(), 403);
    const shown = await page.locator('header nav a').allInnerTexts();
    check(shown.join() === nav.join(), `${who} sees ${shown}, not ${nav}`);
    const open = nav.includes('Events') ? ['', 'events', 'deliveries', 'deliveries?q=state:dead', 'destinations', 'destinations/archive', 'tenants', 'tenants/clinic-a', 'jobs', 'events/' + waits.event_id] : [new URL(page.url()).pathname.slice(new URL(base).pathname.length)];
    const seen = new Set();
    for (const path of nav.length ? open : []) {
      const answer = await page.goto(base + path, { waitUntil: 'domcontentloaded' });
      check(answer.ok(), `${who}: ${path} is answered ${answer.status()}`);
      const text = (await page.content()) + JSON.stringify(answer.headers()) + page.url();
      for (const c of canaries) check(!text.includes(c), `${who} sees ${c} at ${path}`);
      for (const [act, where] of Object.entries(acts)) if (await page.locator(where).count()) seen.add(act);
    }
    check([...seen].sort().join() === [...may].sort().join(), `${who} can ${[...seen]}, and may ${may}`);
    for (const forbidden of ['audit', 'builder', 'act/replay?event=' + waits.event_id, `events/${waits.event_id}/reveal`]) {
      const allowed = { audit: nav.includes('Audit'), builder: nav.includes('Builder') }[forbidden.split('/')[0]] ?? may.includes(forbidden.startsWith('act') ? 'replay' : 'reveal');
      if (allowed || (who === 'rita' && forbidden.startsWith('events'))) continue;
      const answer = await page.request.get(base + forbidden, { headers: { Authorization: 'Basic ' + btoa(who + ':pass') } });
      check(answer.status() === 403, `${who}: ${forbidden} is answered ${answer.status()}`);
    }
    await page.context().close();
  }
  const clara = await sit('clara');
  for (const path of ['events', 'deliveries', 'tenants']) {
    await clara.goto(base + path);
    check(!(await clara.content()).includes('clinic-b'), `clara, who has clinic-a, sees clinic-b at ${path}`);
  }
}

/** bare does without scripts what can be done so: finds a call that was given up, and sends it again. */
export async function bare() {
  const page = await sit('otto', { javaScriptEnabled: false });
  await page.goto(base);
  await page.locator('.needs li').filter({ hasText: 'archive' }).waitFor();
  const nav = page.getByRole('navigation', { name: 'Pages' });
  await nav.getByRole('link', { name: 'Tenants' }).click();
  await page.locator('tbody tr').filter({ hasText: 'clinic-a' }).getByText('a destination takes nothing').waitFor();
  await nav.getByRole('link', { name: 'Events' }).click();
  await page.locator('input[name=q]').fill('state:dead');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.locator('#list tbody tr').first().getByRole('link').click();
  await page.locator('.way > li').filter({ hasText: 'archive: given up' }).waitFor();
  await page.goto(base + 'deliveries?q=destination:archive+state:dead');
  const before = came.length;
  await page.locator('#list tbody input[type=checkbox]').first().check();
  await page.getByRole('button', { name: 'Send chosen again…' }).click();
  await page.getByRole('heading', { name: 'Send again?' }).waitFor();
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.getByText('1 delivery will be sent again now.').waitFor();
  await until('the call is sent again', () => came.slice(before).some((c) => c.startsWith('/old/archive ')));
}

/** follow watches calls come in, and stops. */
export async function follow() {
  const page = await sit('vera');
  await page.goto(base + 'events');
  const rows = page.locator('#list tbody tr');
  const before = await rows.count();
  const begun = page.waitForRequest((q) => q.resourceType() === 'eventsource');
  await page.getByRole('button', { name: 'Follow' }).click();
  const stream = await begun;
  await call();
  await rows.nth(before).waitFor();
  const ended = page.waitForEvent('requestfailed', (q) => q === stream);
  await page.getByRole('button', { name: 'Stop following' }).click();
  await ended;
  await page.getByRole('button', { name: 'Follow', exact: true }).waitFor();
}

/** reveal shows what was said to who says why, until they leave. */
export async function reveal() {
  const [event] = (await api('ada', 'events?limit=1')).events;
  const page = await sit('ada');
  await page.goto(base + 'events/' + event.id);
  await page.getByRole('link', { name: 'Reveal…' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('the caller asks what we have of them');
  await page.getByRole('dialog').getByRole('button', { name: 'Reveal' }).click();
  await page.getByText('leaky pipe in the kitchen').first().waitFor();
  await page.getByText('As curl', { exact: true }).click();
  const found = await looked(page, 'revealed');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: 'dark' });
  found.push(...(await looked(page, 'revealed, narrow and dark')));
  check(found.length === 0, found.join('\n'));
  await page.getByRole('link', { name: 'Done' }).click();
  await page.locator('#event').waitFor();
  await page.goBack().catch(() => {}); // what is not kept cannot be gone back to
  await page.waitForLoadState();
  const text = await page.content();
  for (const c of canaries) check(!text.includes(c), `${c} is there after leaving and going back`);
}
