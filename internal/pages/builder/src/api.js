// The JSON API of the gateway, as the dashboard serves it below its prefix.

let base = '';

/** begins says where the API lies. */
export function begins(prefix) {
  base = prefix;
}

/** Failed is an answer that says why something was not done. */
export class Failed extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(method, path, body, signal) {
  let res;
  try {
    res = await fetch(base + path, {
      method,
      signal,
      credentials: 'same-origin',
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    throw new Failed(0, 'The gateway does not answer. What you have written is still here; try again in a moment.');
  }
  const text = await res.text();
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // a proxy's page, or nothing
  }
  if (res.ok && answer !== null) return answer;
  throw new Failed(res.status, answer?.error ?? `The gateway answered ${res.status}. You may have been signed out: sign in in another tab, and try again here.`);
}

const of = encodeURIComponent;

export const kit = () => ask('GET', 'builder/kit');
export const begin = (what) => ask('POST', 'builder/begin', what);
export const sample = (s, signal) => ask('POST', 'builder/sample', s, signal);
export const preview = (draft, signal) => ask('POST', 'builder/preview', draft, signal);
export const test = (draft) => ask('POST', 'builder/test', draft);
export const lines = (draft) => ask('POST', 'builder/lines', draft);
export const fields = (draft) => ask('POST', 'builder/fields', draft);
export const events = () => ask('GET', 'events?limit=20');
export const documents = () => ask('GET', 'documents/destination');
export const destinations = () => ask('GET', 'destinations');
export const shown = (name, version) => ask('GET', `documents/destination/${of(name)}${version ? '?version=' + version : ''}`);
export const versions = (name) => ask('GET', `documents/destination/${of(name)}/versions`);
export const save = (name, draft) => ask('POST', `documents/destination/${of(name)}`, draft);
export const publish = (name, version) => ask('POST', `documents/destination/${of(name)}/publish`, { version });
export const rollback = (name, version, note) => ask('POST', `documents/destination/${of(name)}/rollback`, { version, note });
