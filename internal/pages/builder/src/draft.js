// The document that is worked on: the JSON of a destination, changed without changing it in place.

/** at is what stands at a path of names and numbers. */
export function at(value, path) {
  return path.reduce((v, key) => (v === undefined || v === null ? undefined : v[key]), value);
}

/** put gives a copy with something else at a path; undefined and the empty text take it away. */
export function put(value, path, to) {
  if (path.length === 0) return to;
  const [key, ...rest] = path;
  const copy = Array.isArray(value) ? value.slice() : { ...value };
  const inner = put(copy[key], rest, to);
  if (inner === undefined || inner === '' || (Array.isArray(inner) && inner.length === 0 && !Array.isArray(copy))) delete copy[key];
  else copy[key] = inner;
  return copy;
}

/** languageOf is how a body of a content type is written. */
export function languageOf(type) {
  const media = (type || 'application/json').split(';')[0].trim().toLowerCase();
  if (media === 'application/x-www-form-urlencoded') return 'form';
  if (/[/+]json$/.test(media)) return 'json';
  if (/[/+]xml$/.test(media)) return 'xml';
  return 'text';
}

/** starts are what one begins with of each kind. */
export const starts = {
  http: { to: { type: 'http', method: 'POST', url: '', content_type: 'application/json', body: '{\n  "name": "{{first_name}} {{last_name}}",\n  "phone": "{{caller_number}}",\n  "email": "{{email}}",\n  "message": "{{message}}"\n}' } },
  hubspot: { to: { type: 'hubspot', token: '{secret.HUBSPOT_TOKEN}', log_call: true } },
  salesforce: { to: { type: 'salesforce', instance: '', client_credentials: { client_id: '{secret.SF_ID}', client_secret: '{secret.SF_SECRET}' } } },
  fhir: { to: { type: 'fhir', base: '', bearer: '{secret.EHR_TOKEN}' } },
};

/** secretsIn are the names of the secrets that a document uses. */
export function secretsIn(doc) {
  return [...new Set([...JSON.stringify(doc).matchAll(/\{secret\.([A-Za-z][A-Za-z0-9_-]{0,63})\}/g)].map((m) => m[1]))];
}

/** secretName is the name in a setting that is a secret and nothing else. */
export function secretName(text) {
  return /^\{secret\.([A-Za-z][A-Za-z0-9_-]{0,63})\}$/.exec(text ?? '')?.[1] ?? '';
}

/** hostsOf are the hosts that a destination sends to, for which its secrets are. */
export function hostsOf(doc) {
  const to = doc.to ?? {};
  const urls = [to.url, to.instance, to.base, to.base_url, to.token_url, to.oauth2?.token_url, to.document?.url, to.smart?.token_url, to.oauth?.token_url, ...(to.steps ?? []).flatMap((s) => [s.url, s.document?.url, s.find])];
  if (to.type === 'hubspot' && !to.base_url) urls.push('https://api.hubapi.com/');
  const hosts = [];
  for (const url of urls) {
    const host = /^https?:\/\/(\[[^\]]+\]|[^/:?#{}]+)/i.exec(url ?? '')?.[1];
    if (host && !hosts.includes(host)) hosts.push(host);
  }
  return hosts;
}

/** same reports whether two documents say the same. */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** keptBy are the variables that the requests of a destination keep for those after them. */
export const keptBy = (doc) => (doc.to?.steps ?? []).flatMap((s) => Object.keys(s.keep ?? {}).map((k) => ({ name: `steps.${s.name}.${k}`, kind: 'step', type: 'string', value: 'of the answer' })));
