// A destination fails: somebody finds out why, mends it, tries it, publishes it and sends the calls again.
import { base, came, check, receiver, sit, until } from './desk.mjs';

/** mend does it for a destination, by mouse or by keyboard. */
export async function mend(by, name) {
  const page = await sit('ada');
  const press = (target) => by.press(page, target);
  await page.goto(base);
  const need = page.locator('.needs li').filter({ hasText: name });
  check((await need.innerText()).includes('given up'), `the overview does not say what is the matter with ${name}: ${await need.innerText()}`);
  await press(need.getByRole('link', { name: 'See why' }));
  await page.getByRole('heading', { name: 'Deliveries' }).waitFor();
  await press(page.locator('#list tbody tr').first().getByRole('link'));

  const way = page.locator('.way > li').filter({ hasText: name + ':' });
  check(/422 Unprocessable Entity/.test(await way.innerText()), `the event does not say why: ${await way.innerText()}`);
  const event = page.url();
  await press(way.getByRole('link', { name: 'Mend in the builder' }));

  const url = page.getByRole('textbox', { name: 'URL' });
  const request = page.getByLabel('Request 1');
  await request.filter({ hasText: `/old/${name}` }).waitFor();
  await by.write(page, url, `${receiver}/new/${name}`);
  await request.filter({ hasText: `/new/${name}` }).waitFor();
  await by.write(page, page.getByRole('textbox', { name: 'Why a real call is sent' }), 'does the new version take it');
  let before = came.length;
  await press(page.getByRole('button', { name: 'Send a test' }));
  await page.locator('.b-answer').filter({ hasText: '200, taken' }).waitFor();
  check(came.slice(before).some((c) => c.startsWith(`/new/${name} `)), 'the test has not come to the receiver');
  await press(page.getByRole('button', { name: 'Publish…' }));
  await by.write(page, page.getByRole('dialog').getByRole('textbox', { name: 'Note' }), 'their address has changed');
  await press(page.getByRole('dialog').getByRole('button', { name: 'Publish' }));
  await page.getByText('Version 2 is in force.').waitFor();

  before = came.length;
  await page.goto(event);
  await press(way.getByRole('link', { name: 'Send again' }));
  await press(page.getByRole('dialog').getByRole('button', { name: 'Send again' }));
  await way.filter({ hasText: 'delivered' }).waitFor();
  const arrived = await until(`a call at /new/${name}`, () => came.slice(before).find((c) => c.startsWith(`/new/${name} `) && c.includes('Zebulon Quackenbush')));
  check(arrived.includes('+15559870042'), `the receiver has ${arrived}`);
  await page.context().close();
}
