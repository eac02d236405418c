// Every page, as it is by day, by night and on a telephone.
import { writeFileSync } from 'node:fs';
import { addTenant } from './build.mjs';
import { api, base, check, looked, refused, sit } from './desk.mjs';

/** every is all pages that an admin gets to with a destination and an event, by their names. */
async function every() {
  const [event] = (await api('ada', 'events?limit=1')).events;
  await addTenant();
  const job = await api('ada', 'jobs', { operation: 'replay', destination: 'archive', tenant: 'clinic-b', state: 'dead' });
  return {
    overview: '',
    events: 'events',
    event: 'events/' + event.id,
    deliveries: 'deliveries',
    dead: 'deliveries?q=state:dead',
    pending: 'deliveries?q=state:pending',
    destinations: 'destinations',
    destination: 'destinations/archive',
    builder: 'builder/dispatch',
    'builder-begin': 'builder',
    tenants: 'tenants',
    tenant: 'tenants/clinic-a',
    'tenant-setup': 'tenants/clinic-a/setup',
    'tenant-add': 'add-tenant',
    'tenant-shut-out': 'tenants/clinic-b',
    'tenant-deliver': 'tenants/clinic-c/deliver',
    'tenant-secrets': 'tenants/clinic-c/secrets',
    'tenant-test': 'tenants/clinic-c/test',
    'tenant-sender': 'tenants/clinic-c/setup?source=retell&url=https%3A%2F%2Fhooks.example.com%2Fclinic-c',
    verify: 'audit/verify',
    audit: 'audit',
    jobs: 'jobs',
    job: 'jobs/' + job.id,
    try: 'try',
    pause: 'destinations/archive/pause',
    replay: 'act/replay?q=destination:archive%20state:dead',
    erase: 'erase',
    reveal: `events/${event.id}/reveal`,
    problem: 'there-is-none',
  };
}

// Those that the project's README shows, as they lie beside this file.
const shown = ['overview', 'event', 'builder'];

/** picture keeps a small one for README, which playwright's own pictures are not. */
async function picture(page, name) {
  const browser = await page.context().newCDPSession(page);
  const { data } = await browser.send('Page.captureScreenshot', { format: 'webp', quality: 70 });
  writeFileSync(`${process.env.SCREENSHOTS}/${name}.webp`, Buffer.from(data, 'base64'));
}

/** pages looks at all of them, and keeps a picture of each. */
export async function pages() {
  const page = await sit('ada');
  const found = [];
  for (const [name, path] of Object.entries(await every())) {
    const answer = await page.goto(base + path);
    check(name === 'problem' ? answer.status() === 404 : answer.ok(), `${name} is answered ${answer.status()}`);
    if (name === 'builder') await page.getByLabel('Request 1').waitFor();
    if (name === 'builder-begin') await page.getByRole('dialog').getByRole('button', { name: 'Close' }).waitFor();
    for (const [look, size, colorScheme] of [['light', { width: 1280, height: 900 }, 'light'], ['dark', { width: 1280, height: 900 }, 'dark'], ['narrow', { width: 390, height: 844 }, 'light']]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(size);
      found.push(...(await looked(page, `${name}, ${look}`)));
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) found.push(`${name}, ${look}: is ${over} pixels wider than the window`);
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${look}.png`, fullPage: !name.startsWith('builder') });
      if (look === 'light' && shown.includes(name)) await picture(page, name);
    }
    if (name === 'problem') refused(page.url(), 404);
  }
  check(found.length === 0, found.join('\n'));
}
