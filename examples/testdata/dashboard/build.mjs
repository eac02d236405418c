// Destinations are built with the mouse and by typing what stands in fields: no JSON is written, nor looked at.
import { api, base, came, check, looked, receiver, sit } from './desk.mjs';

// The guide's examples, with what of each is to be typed: where it is really sent, and its credential. What is to come there
// stands in the Go tests in full.
const examples = [
  { title: 'A lead to your own system', name: 'guide-lead', path: '/api/webhooks/nextphone', sends: '"name":"Mike Johnson"' },
  { title: 'HubSpot contact', name: 'guide-hubspot', path: '/contacts/v1/contact/createOrUpdate/email/mjohnson%40email.com', sends: '"property":"firstname","value":"Mike"' },
  { title: 'Salesforce lead', name: 'guide-salesforce', path: '/services/data/v57.0/sobjects/Lead', sends: '"LastName":"Johnson"' },
  { title: 'Any REST API', name: 'guide-api', path: '/v1/leads', sends: '"contact":{"name":"Mike Johnson"' },
];

/** write puts a text where it is clicked, in one go. */
async function write(page, target, text) {
  await target.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

const dialog = (page) => page.getByRole('dialog');
const box = (page, name) => page.getByRole('textbox', { name, exact: true });

/** publish puts what is worked on into force under a name. */
async function publish(page, name) {
  await page.getByRole('button', { name: 'Publish…' }).click();
  await write(page, dialog(page).getByRole('textbox', { name: 'Name of the destination' }), name);
  await write(page, dialog(page).getByRole('textbox', { name: 'Note' }), 'as the guide has it');
  await dialog(page).getByRole('button', { name: 'Publish', exact: true }).click();
  await page.getByText('Version 1 is in force.').waitFor();
}

/** arrived is what came of a test, which says that it is one. */
async function tested(page, path) {
  const before = came.length;
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.locator('.b-answer').filter({ hasText: '200, taken' }).waitFor();
  const got = came.slice(before).filter((c) => c.startsWith(path));
  check(got.length > 0, `nothing came to ${path}: ${came.slice(before)}`);
  return got;
}

/** guide builds the four examples. */
export async function guide() {
  const page = await sit('ada');
  for (const e of examples) {
    await page.goto(base + 'builder');
    await dialog(page).getByRole('button', { name: e.title }).click();
    const url = box(page, 'URL');
    await page.getByLabel('Request 1').waitFor();
    const address = new URL((await url.innerText()).trim().replaceAll('{{', '%7B').replaceAll('}}', '%7D'));
    await write(page, url, receiver + (address.pathname + address.search).replaceAll('%7B', '{{').replaceAll('%7D', '}}'));
    await write(page, page.getByLabel('Value', { exact: true }), 'the-token-of-' + e.name);
    await page.getByLabel('Request 1').filter({ hasText: receiver + e.path }).waitFor();
    check(!(await page.getByLabel('Request 1').innerText()).includes('the-token-of'), 'the preview shows a secret');
    const [got] = await tested(page, e.path);
    check(got.includes(e.sends), `${e.title}: the receiver has ${got}`);
    await publish(page, e.name);
    check((await page.getByRole('button', { name: 'As JSON' }).getAttribute('aria-pressed')) === 'false', 'it was edited as JSON');
  }
  await page.context().close();
}

/** chain builds a destination of two requests, the second with a value of the first one's answer. */
export async function chain() {
  const page = await sit('ada');
  await page.goto(base + 'builder');
  await dialog(page).getByLabel('What you have').selectOption({ label: 'Nothing yet: a kind of destination' });
  await dialog(page).getByRole('button', { name: 'Any HTTP endpoint' }).click();
  await write(page, box(page, 'URL'), receiver + '/contacts');
  // What is being typed stays when the preview of what was done before comes.
  const shown = page.waitForResponse((r) => r.url().endsWith('builder/preview'));
  await page.getByLabel('What is sent').selectOption('several');
  const first = page.getByRole('group', { name: 'Request 1: first' });
  await first.getByRole('textbox', { name: 'Name of the request' }).fill('contact');
  await shown;
  await page.getByText('step first').waitFor();
  await first.getByRole('textbox', { name: 'Name of the request' }).press('Tab');
  const contact = page.getByRole('group', { name: 'Request 1: contact' });
  await contact.getByRole('button', { name: 'Keep a value' }).click();
  await write(page, contact.getByRole('textbox', { name: 'Where it stands 1' }), '$.id');
  await contact.getByRole('textbox', { name: 'Name 1' }).fill('id');
  await contact.getByRole('textbox', { name: 'Name 1' }).press('Tab');
  await contact.getByText('{{steps.contact.id}}').waitFor();

  await page.getByRole('button', { name: 'Add a request' }).click();
  const deal = page.getByRole('group', { name: 'Request 2: step_2' });
  await write(page, deal.getByRole('textbox', { name: 'URL', exact: true }), receiver + '/contacts/');
  await page.getByRole('button', { name: 'Insert steps.contact.id' }).click();
  const when = deal.getByRole('textbox', { name: 'Only when' });
  await write(page, when, 'call.urgnt');
  await deal.getByText('Wrong: line 1, column 5').waitFor(); // the condition is checked as it is typed
  await write(page, when, 'call.first_name == "Mike"');
  await page.getByLabel('Body', { exact: true }).last().selectOption({ label: 'Form with parts (multipart)' });
  await page.getByLabel('Request 2').filter({ hasText: 'multipart/form-data' }).waitFor();
  // One part is to be a file, and another has several values.
  await deal.getByLabel('What part 3 is').selectOption({ label: 'a file' });
  await write(page, deal.getByRole('textbox', { name: 'File name of part 3' }), 'call-{{first_name}}.txt');
  await deal.getByRole('textbox', { name: 'Content type of part 3' }).fill('text/plain; charset=utf-8');
  await deal.getByLabel('What part 1 is').selectOption({ label: 'several values' });
  await deal.getByRole('button', { name: 'Add a value to part 1' }).click();
  await write(page, deal.getByRole('textbox', { name: 'Value 2 of part 1' }), 'of {{last_name}}');
  await page.getByLabel('Request 2').filter({ hasText: 'call-Mike.txt' }).filter({ hasText: 'of Johnson' }).waitFor();
  check(!(await page.locator('.b-problems .b-error').count()), `there is something wrong: ${await page.locator('.b-problems').allInnerTexts()}`);
  const found = [...(await looked(page, 'a chain')), ...(await narrow(page, 'a chain'))];
  check(found.length === 0, found.join('\n'));
  const got = await tested(page, '/contacts');
  check(got.length === 2 && /^\/contacts\/rec_\d+ /.test(got[1]) && got[1].includes('name="phone"') && got[1].includes('+15559876543'), `the receiver has ${got}`);
  check(got[1].includes('name="message"; filename="call-Mike.txt"') && got[1].includes('Content-Type: text/plain; charset=utf-8') && got[1].split('name="name"').length === 3 && got[1].includes('of Johnson'), `the receiver has ${got[1]}`);
  await publish(page, 'two-requests');
  await page.reload();
  await page.getByRole('group', { name: 'Request 2: step_2' }).getByRole('textbox', { name: 'Part 1', exact: true }).waitFor();
  await page.getByRole('textbox', { name: 'File name of part 3' }).filter({ hasText: 'call-{{first_name}}.txt' }).waitFor();
  await page.getByRole('textbox', { name: 'Value 2 of part 1' }).filter({ hasText: 'of {{last_name}}' }).waitFor();
  await page.context().close();
}

/** narrow looks at a page on a telephone and in the dark. */
async function narrow(page, what) {
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 390, height: 844 });
  const found = await looked(page, what + ', narrow and dark');
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) found.push(`${what}, narrow: is ${over} pixels wider than the window`);
  await page.screenshot({ path: `${process.env.SCREENSHOTS}/${what.replaceAll(' ', '-')}-narrow.png`, fullPage: true });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.screenshot({ path: `${process.env.SCREENSHOTS}/${what.replaceAll(' ', '-')}-light.png`, fullPage: true });
  return found;
}

/** kinds opens the forms of the other kinds of destinations, and every way to sign in. */
export async function kinds() {
  const page = await sit('ada');
  await page.goto(base + 'builder');
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  const found = [];
  for (const [kind, login, label] of [['hubspot', 'Signs in as', 'oauth'], ['salesforce', 'Signs in with', 'jwt'], ['fhir', 'Authentication', 'smart'], ['http', 'Authentication', 'oauth2']]) {
    await page.getByLabel('Kind', { exact: true }).selectOption(kind);
    await page.getByLabel(login, { exact: true }).selectOption(label);
    await page.getByRole('group', { name: /Private key|Client secret/ }).first().waitFor();
    found.push(...(await looked(page, kind)), ...(await narrow(page, kind)));
  }
  check(found.length === 0, found.join('\n'));
  await page.context().close();
}

/** addTenant has a tenant clinic-c be in the store, with two secrets. */
export const addTenant = () =>
  api('ada', 'documents/tenant/clinic-c', {
    body: { vars: { owner_name: 'Dr. C' }, secrets: ['{secret.new}', '{secret.old}'] },
    secrets: { new: { value: 'new-secret-of-clinic-c' }, old: { value: 'old-secret-of-clinic-c' } },
    publish: true,
  });

/** where says to which destinations a tenant's calls go, and of which of them: the condition is checked as it is typed. */
export async function where() {
  await addTenant();
  const page = await sit('ada');
  await page.goto(base + 'tenants/clinic-c');
  await page.getByRole('link', { name: 'Where its calls go…' }).click();
  await page.getByRole('checkbox', { name: 'Its calls go to crm' }).check();
  const condition = page.getByRole('textbox', { name: 'Calls that go to crm' });
  await condition.fill('call.urgnt');
  await page.getByText('line 1, column 5').waitFor();
  await condition.fill('call.urgent');
  await page.getByText('line 1, column 5').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Keep' }).click();
  await page.getByText('Its calls go to 1 destination from now on.').waitFor();
  await page.context().close();
}
