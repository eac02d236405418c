// People at the dashboard, in a real browser. It ends with 1 and says why if something is not as it should be.
import { chain, guide, kinds, where } from './build.mjs';
import { api, byKeyboard, byMouse, call, complaints, receiver, sit, startBrowser, startReceiver, until } from './desk.mjs';
import { mend } from './mend.mjs';
import { pages } from './pages.mjs';
import { bare, follow, reveal, roles } from './people.mjs';

const server = await startReceiver();
const browser = await startBrowser();
let failed = false;

const only = process.argv.slice(2);

/** part runs one part, so that those after it say what they find as well. */
async function part(name, run) {
  if (only.length && !only.includes(name)) return;
  const began = Date.now();
  try {
    await run();
    console.log(`ok ${name}, ${Date.now() - began} ms`);
  } catch (err) {
    failed = true;
    console.log(`FAILED ${name}: ${err.stack}`);
    let i = 0;
    for (const context of browser.contexts()) for (const page of context.pages()) await page.screenshot({ path: `${process.env.SCREENSHOTS}/failed-${name}-${i++}.png` }).catch(() => {});
  }
  for (const context of browser.contexts()) await context.close();
}

for (const name of ['dispatch', 'billing', 'archive']) {
  await api('ada', `documents/destination/${name}`, {
    body: { to: { type: 'http', url: `${receiver}/old/${name}`, body: '{"name":"{{name}}","phone":"{{phone}}"}' }, retry: ['0s'] },
    publish: true,
  });
}
for (let i = 0; i < 6; i++) await call(i % 2 ? 'clinic-b' : 'clinic-a');
await until('deliveries are given up', async () => (await api('ada', 'deliveries?state=dead')).deliveries.length === 18);

await part('mend', () => mend(byMouse, 'dispatch'));
await part('guide', guide);
await part('chain', chain);
await part('kinds', kinds);
await part('where', where);
await part('pages', pages);
await part('roles', roles);
await part('keyboard', () => mend(byKeyboard, 'billing'));
await part('bare', bare);
await part('follow', follow);
await part('reveal', reveal);

for (const c of complaints) console.log(`COMPLAINT ${c}`);
await browser.close();
server.close();
process.exit(failed || complaints.length ? 1 : 0);
