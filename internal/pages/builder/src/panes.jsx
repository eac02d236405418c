// The panes beside the editor: the variables of a call, and the request as it would go.
import { h, Fragment } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import * as api from './api.js';
import { keptBy } from './draft.js';
import { Choice, Text, Work } from './fields.jsx';

const kindNames = { call: 'From the call', parameter: 'Collected on the call', tenant: 'Of the tenant', gateway: 'Of the gateway', step: 'From answers before' };

// What calls are like that are not as one thinks of them: hardly anything was said, or more than fits, in any script.
const trying = {
  bare: { lead: { phone: '+15559876543' } },
  strange: {
    lead: {
      phone: '+44 20 7946 0958', first_name: 'Zoë “Zed” O’Brien-Łukasiewicz', last_name: '<b>&amp;</b> \u202egnirts\u202c 李小龍 👩‍🔧', email: 'zoë+test@exämple.com',
      company: 'A & B, "C" <D>', notes: 'One line\nand another\twith a tab. ' + 'The kitchen pipe leaks, and water stands on the floor. '.repeat(60), budget: 12345678901234567890n,
    },
  },
};
const written = (v) => JSON.stringify(v, (_, x) => (typeof x === 'bigint' ? `#${x}#` : x), 2).replace(/"#(\d+)#"/g, '$1');

export function Variables({ insert }) {
  const { kit, doc, sample, setSample, variables } = useContext(Work);
  const [events, setEvents] = useState(null);
  const [reason, setReason] = useState('');
  const [filter, setFilter] = useState('');
  const [variant, setVariant] = useState('');
  const way = sample.event ? 'event' : sample.payload !== undefined ? variant || 'payload' : sample.name ? 'sample' : '';
  useEffect(() => {
    if (way !== 'event' || events) return;
    api.events().then((p) => setEvents(p.events), () => setEvents([]));
  }, [way]);
  const choose = async (w) => {
    setVariant(trying[w] ? w : '');
    if (trying[w]) setSample({ source: 'nextphone', payload: written(trying[w]), tenant: sample.tenant });
    if (w === '') setSample({});
    if (w === 'sample') setSample({ ...kit.samples[0], tenant: sample.tenant });
    if (w === 'payload') setSample({ source: sample.source ?? 'nextphone', payload: kit.sample });
    if (w === 'event') {
      let list = events;
      if (!list) {
        try {
          list = (await api.events()).events;
        } catch {
          list = [];
        }
        setEvents(list);
      }
      if (list.length > 0) setSample({ event: list[0].id });
    }
  };
  const shown = [...keptBy(doc), ...variables.list].filter((v) => v.name.toLowerCase().includes(filter.toLowerCase()) || v.value?.toLowerCase().includes(filter.toLowerCase()));
  const groups = [...new Set(shown.filter((v) => v.type).map((v) => v.kind))];
  const missing = shown.filter((v) => !v.type);
  return (
    <section class="paper pane b-vars" aria-labelledby="b-vars-h">
      <h2 id="b-vars-h">From a call</h2>
      <Choice label="Sample" value={way} set={choose} options={[['', 'The guide’s example'], ['bare', 'A call that says hardly anything'], ['strange', 'Long and strange values'], ['sample', 'What a provider sends'], ['payload', 'A payload that I paste'], ['event', events?.length === 0 ? 'A call that came in (there is none yet)' : 'A call that came in']]} />
      {way === 'sample' && (
        <Choice
          label="Event"
          value={`${sample.source} ${sample.name}`}
          set={(v) => setSample({ source: v.split(' ')[0], name: v.split(' ')[1], tenant: sample.tenant })}
          options={kit.samples.map((o) => [`${o.source} ${o.name}`, `${o.source}: ${o.name}`])}
        />
      )}
      {way === 'payload' && (
        <Fragment>
          <Choice label="Source" value={sample.source ?? 'nextphone'} set={(v) => setSample({ ...sample, source: v })} options={kit.sources.map((s) => [s, s])} />
          <div class="b-field">
            <label for="b-payload">Payload</label>
            <textarea id="b-payload" rows="6" spellcheck={false} value={sample.payload} onInput={(e) => setSample({ ...sample, payload: e.currentTarget.value })} />
          </div>
        </Fragment>
      )}
      {way === 'event' && events && (
        <Fragment>
          <Choice label="Call" value={sample.event} set={(v) => setSample({ event: v })} options={events.map((e) => [e.id, [new Date(e.received_at).toLocaleString(), e.source, e.event_type, e.tenant].filter(Boolean).join(' · ')])} />
          {variables.masked && kit.may_reveal && (
            <form
              onSubmit={(e) => {
                e.preventDefault();
                setSample({ ...sample, reason });
              }}
            >
              <Text label="Why you need its values" value={reason} set={setReason} hint="It is recorded" />
              <button type="submit" disabled={!reason.trim()}>
                Show its values
              </button>
            </form>
          )}
        </Fragment>
      )}
      {way !== 'event' && kit.tenants.length > 0 && <Choice label="Tenant" value={sample.tenant ?? ''} set={(v) => setSample({ ...sample, tenant: v || undefined })} options={[['', 'none'], ...kit.tenants.map((t) => [t, t])]} />}
      {variables.masked && <p class="say">Values of a real call are masked.</p>}
      {variables.error && (
        <p class="b-error" role="alert">
          {variables.error}
        </p>
      )}
      <Text label="Find a variable" type="search" value={filter} set={setFilter} />
      <p class="say">Click, or drag, to put one in. In the editor, type {'{{'}.</p>
      {groups.map((g) => (
        <Fragment key={g}>
          <h3>{kindNames[g]}</h3>
          <Chips list={shown.filter((v) => v.type && v.kind === g)} insert={insert} />
        </Fragment>
      ))}
      {missing.length > 0 && (
        <details>
          <summary>Not in this sample ({missing.length})</summary>
          <Chips list={missing} insert={insert} />
        </details>
      )}
      <details>
        <summary>Filters</summary>
        <dl class="b-filters">
          {kit.filters.map((f) => (
            <Fragment key={f.name}>
              <dt>
                <code>|{f.usage}</code>
              </dt>
              <dd>{f.says}</dd>
            </Fragment>
          ))}
        </dl>
      </details>
    </section>
  );
}

function Chips({ list, insert }) {
  return (
    <ul class="b-chips">
      {list.map((v) => (
        <li key={v.name}>
          <button
            type="button"
            class={'b-chip b-' + v.kind}
            draggable
            onClick={() => insert(`{{${v.name}}}`)}
            onDragStart={(e) => e.dataTransfer.setData('text/plain', `{{${v.name}}}`)}
          >
            <span class="b-unseen">Insert </span>
            <code>{v.name}</code>
            <bdi>{visible(v.value || '—')}</bdi>
          </button>
        </li>
      ))}
    </ul>
  );
}

function pretty(body) {
  // Numbers stay as they are written, so that nothing is read as JSON and written again but the places of line breaks.
  let out = '';
  let depth = 0;
  let text = false;
  for (let i = 0; i < body.length; i++) {
    const c = body[i];
    if (text) {
      out += c;
      if (c === '\\') out += body[++i] ?? '';
      else if (c === '"') text = false;
      continue;
    }
    if (c === '"') text = true;
    if (c === '{' || c === '[') {
      const next = body[i + 1];
      if (next === '}' || next === ']') {
        out += c + next;
        i++;
        continue;
      }
      depth++;
      out += c + '\n' + '  '.repeat(depth);
    } else if (c === '}' || c === ']') {
      depth--;
      out += '\n' + '  '.repeat(Math.max(0, depth)) + c;
    } else if (c === ',') out += ',\n' + '  '.repeat(depth);
    else if (c === ':') out += ': ';
    else out += c;
  }
  return out;
}

// visible shows the marks that turn the direction of a text, which a caller may have put there to have it read otherwise.
const visible = (text) => text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));

function shownBody(r) {
  const type = Object.entries(r.headers ?? {}).find(([n]) => n.toLowerCase() === 'content-type')?.[1]?.[0] ?? '';
  if (/json/i.test(type) && /^\s*[[{]/.test(r.body) && !/\n/.test(r.body)) return pretty(r.body);
  return r.body;
}

export function Request({ preview, go, test, testing, answer }) {
  const { sample } = useContext(Work);
  const [reason, setReason] = useState('');
  const errors = preview.problems.filter((p) => p.severity === 'error');
  const warnings = preview.problems.filter((p) => p.severity !== 'error');
  return (
    <section class="paper pane b-request" aria-labelledby="b-request-h" aria-busy={preview.busy ? 'true' : 'false'}>
      <h2 id="b-request-h">As it would go</h2>
      <p class="b-unseen" role="status">
        {preview.busy ? '' : errors.length ? `${errors.length} mistakes` : `Rendered${warnings.length ? `, ${warnings.length} notes` : ''}`}
      </p>
      {preview.error && (
        <p class="b-error" role="alert">
          {preview.error}
        </p>
      )}
      {errors.length + warnings.length > 0 && (
        <ul class="b-problems" aria-label="Problems">
          {[...errors, ...warnings].map((p) => (
            <li key={p.severity + p.field + p.message} class={'b-' + p.severity}>
              <button type="button" onClick={() => go(p)}>
                <b>{p.severity === 'error' ? 'Wrong' : 'Note'}</b> {p.line > 0 ? `Line ${p.line}, column ${p.column}: ` : p.field && p.severity === 'error' ? p.field + ': ' : ''}
                {p.message}
              </button>
            </li>
          ))}
        </ul>
      )}
      {preview.masked && <p class="say">Values of a real call, masked. What is sent has them in full.</p>}
      {preview.requests.map((r, i) => (
        <figure key={i} class={errors.length ? 'b-stale' : ''}>
          {errors.length > 0 && i === 0 && <p class="say">From before the mistake:</p>}
          {r.note && <figcaption class="say">{r.note}</figcaption>}
          <pre tabIndex="0" aria-label={`Request ${i + 1}`}>
            <b>
              {r.method} {visible(r.url)}
            </b>
            {'\n'}
            {Object.entries(r.headers ?? {})
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([n, values]) => values.map((v) => `${n}: ${visible(v)}\n`).join(''))
              .join('')}
            {r.body ? '\n' + visible(shownBody(r)) : ''}
          </pre>
        </figure>
      ))}
      <h2>Test</h2>
      {sample.event && <Text label="Why a real call is sent" value={reason} set={setReason} hint="It is recorded. With a sample no reason is needed" />}
      <button type="button" disabled={testing || errors.length > 0 || (sample.event && !reason.trim())} onClick={() => test(sample.event ? reason : undefined)}>
        {testing ? 'Sending…' : 'Send a test'}
      </button>{' '}
      <span class="say">One request, now, marked as a test.</span>
      <div role="status" class="b-answer">
        {answer && (
          <Fragment>
            <p class={answer.error ? 'b-error' : ''}>
              {answer.error ?? (
                <span class={'state ' + (answer.outcome === 'delivered' ? 'ok' : 'dead')}>
                  {answer.status ? `${answer.status}, ` : ''}
                  {answer.outcome === 'delivered' ? 'taken' : answer.outcome === 'dead' ? 'refused' : 'failed'}
                  {answer.took_ms ? `, ${Math.round(answer.took_ms)} ms` : ''}
                </span>
              )}
            </p>
            {answer.reason && <p>{answer.reason}</p>}
            {answer.remote_id && <p class="say">Record {answer.remote_id}</p>}
            {(answer.warnings ?? []).map((w) => (
              <p key={w} class="say">
                {w}
              </p>
            ))}
            {answer.answer && <pre tabIndex="0" aria-label="The receiver's answer">{visible(answer.answer)}</pre>}
          </Fragment>
        )}
      </div>
    </section>
  );
}
