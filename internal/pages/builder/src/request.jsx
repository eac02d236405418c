// A request of an http destination: the only one, or one of several.
import { h, Fragment } from 'preact';
import { useContext } from 'preact/hooks';
import { languageOf } from './draft.js';
import { Choice, Name, Pairs, Template, Text, Tick, Work } from './fields.jsx';
import { Login } from './login.jsx';
import { isPart, Parts, textsOf } from './parts.jsx';

const methods = ['POST', 'GET', 'PUT', 'PATCH', 'DELETE'].map((m) => [m, m]);
const parts = 'multipart/form-data';
const types = [
  ['application/json', 'JSON'],
  ['application/xml', 'XML'],
  ['text/xml; charset=utf-8', 'XML (SOAP 1.1)'],
  ['application/x-www-form-urlencoded', 'Form'],
  [parts, 'Form with parts (multipart)'],
  ['text/plain; charset=utf-8', 'Text'],
];

// What of a request is said by a webhook document in its place, which alone sends multipart/form-data.
const own = ['url', 'method', 'headers', 'body', 'content_type'];

/** isParts reports whether a document is one that the form for parts shows. */
function isParts(d) {
  const type = Object.entries(d.headers ?? {}).find(([n]) => n.toLowerCase() === 'content-type')?.[1] ?? '';
  const fields = d.body_template;
  return type.toLowerCase().startsWith(parts) && fields && typeof fields === 'object' && Object.values(fields).every(isPart);
}

/** asParts says by a document what a request said: the values of a JSON body are the parts. */
function asParts(r) {
  const rest = Object.fromEntries(Object.entries(r).filter(([n]) => !own.includes(n)));
  let fields = null;
  try {
    fields = Object.fromEntries(Object.entries(JSON.parse(r.body)).filter(([, v]) => isPart(v)));
  } catch {
    // it is no JSON
  }
  if (!fields || Object.keys(fields).length === 0) fields = { name: '{{name}}', phone: '{{caller_number}}', message: '{{message}}' };
  return { ...rest, document: { type: 'http', http_method: r.method ?? 'POST', url: r.url ?? '', headers: { ...r.headers, 'Content-Type': parts }, body_template: fields } };
}

/** withoutParts is the way back. */
function withoutParts(r, type) {
  const { document: d, ...rest } = r;
  const headers = Object.fromEntries(Object.entries(d.headers ?? {}).filter(([n]) => n.toLowerCase() !== 'content-type'));
  // A file goes as what is in it.
  const said = Object.entries(d.body_template).map(([n, v]) => [n, v && typeof v === 'object' && !Array.isArray(v) ? textsOf(v)[0] : v]);
  const fields = said.flatMap(([n, v]) => textsOf(v).map((text) => [n, text]));
  const body = {
    json: () => JSON.stringify(Object.fromEntries(said), null, 2),
    form: () => fields.map(([n, v]) => `${encodeURIComponent(n)}=${v}`).join('&\n'),
    xml: () => `<call>\n${fields.map(([n, v]) => `  <${n}>${v}</${n}>\n`).join('')}</call>`,
    text: () => fields.map(([n, v]) => `${n}: ${v}`).join('\n'),
  }[languageOf(type)]();
  return { ...rest, method: d.http_method ?? 'POST', url: d.url ?? '', ...(Object.keys(headers).length ? { headers } : {}), content_type: type, body };
}

/** OneRequest shows a request that stands at a path; what is wrong with it has its prefix. */
export function OneRequest({ value, path, prefix = '', login }) {
  const { set } = useContext(Work);
  const on = (...to) => (v) => set([...path, ...to], v);
  if (value.document && !isParts(value.document)) {
    return (
      <p class="say" role="note">
        A webhook document says what is sent. Edit it as JSON; the preview and the test work as ever.
      </p>
    );
  }
  const doc = value.document;
  const type = doc ? parts : (value.content_type ?? 'application/json');
  const choose = (t) => {
    if (t === type) return;
    if (t === parts) set(path, asParts(value));
    else if (doc) set(path, withoutParts(value, t));
    else on('content_type')(t);
  };
  const headers = Object.fromEntries(Object.entries((doc ?? value).headers ?? {}).filter(([n]) => !doc || n.toLowerCase() !== 'content-type'));
  const setHeaders = (v) => (doc ? on('document', 'headers')({ ...v, 'Content-Type': parts }) : on('headers')(v));
  return (
    <Fragment>
      <div class="b-row">
        <Choice label="Method" value={(doc ? doc.http_method : value.method) ?? 'POST'} set={doc ? on('document', 'http_method') : on('method')} options={methods} />
        <Template key={doc ? 'd' : 'u'} label="URL" field={prefix + 'url'} value={(doc ?? value).url} set={doc ? on('document', 'url') : on('url')} placeholder="https://api.example.com/v1/leads" name={prefix + 'url'} />
      </div>
      {login && <Login />}
      <Pairs key={doc ? 'dh' : 'h'} legend="Headers" what="Header" value={headers} set={setHeaders} more="Add a header" prefix={prefix} />
      <div class="b-row">
        <Choice label="Body" value={type} set={choose} options={types.some(([t]) => t === type) ? types : [...types, [type, type]]} />
        <Choice
          label="A variable without a value"
          value={value.strict ? 'strict' : value.omit_empty ? 'omit_empty' : ''}
          set={(v) => set(path, { ...value, strict: v === 'strict' || undefined, omit_empty: v === 'omit_empty' || undefined })}
          options={[['', 'is sent empty'], ['omit_empty', 'is left out'], ['strict', 'stops the delivery']]}
        />
      </div>
      {doc ? (
        <Parts value={doc.body_template} set={(v) => on('document', 'body_template')(v ?? {})} field={prefix + 'body'} />
      ) : (
        <Template label="Body template" field={prefix + 'body'} value={value.body} set={on('body')} line={false} language={languageOf(type)} name={prefix + 'body'} />
      )}
    </Fragment>
  );
}

/** Success is what a receiver has to answer. */
export function Success({ value, path, prefix = '' }) {
  const { set } = useContext(Work);
  return (
    <Fragment>
      <Template label="Success condition" field={prefix + 'success_if'} value={value.success_if} set={(v) => set([...path, 'success_if'], v)} placeholder='body.status == "OK"'
        hint="A 2xx answer is a success. Where that is not enough: an expression over status, header, body and text" name={prefix + 'success_if'} />
      <Text label="Other statuses that are a success" value={(value.success ?? []).join(' ')} set={(v) => set([...path, 'success'], v.split(/\D+/).filter(Boolean).map(Number))} hint="such as 409, if the record is there already" field={prefix + 'success'} />
    </Fragment>
  );
}

/** Later is how the outcome of a request is asked for that was answered with 202. */
export function Later({ value, path, prefix = '' }) {
  const { set } = useContext(Work);
  const poll = value.poll;
  const on = (name) => (v) => set([...path, 'poll', name], v);
  const shown = (v) => (typeof v === 'number' ? `${v / 1e9}s` : v);
  return (
    <Fragment>
      <Tick label="The outcome comes later: an answer 202 says where to ask for it" value={poll} set={(v) => set([...path, 'poll'], v ? {} : undefined)} />
      {poll && (
        <Fragment>
          <Text label="Where the answer says where to ask" value={poll.at} set={on('at')} placeholder="the header Location" hint="such as $.status_url" field={prefix + 'poll'} />
          <div class="b-row">
            <Text label="Wait between two questions" value={shown(poll.every)} set={on('every')} placeholder="2s" />
            <Text label="Questions at most" value={poll.tries} inputmode="numeric" set={(v) => on('tries')(Number(v) || undefined)} placeholder="10" />
            <Text label="Within" value={shown(poll.within)} set={on('within')} placeholder="20s" />
          </div>
          <Template label="It is done when" value={poll.done} set={on('done')} field={prefix + 'poll.done'} placeholder='body.state == "done"' />
          <Template label="It has failed for good when" value={poll.failed} set={on('failed')} field={prefix + 'poll.failed'} placeholder='body.state == "failed"' />
        </Fragment>
      )}
    </Fragment>
  );
}

// What of a request goes with it into a step.
const ofAStep = ['url', 'method', 'body', 'content_type', 'document', 'success', 'success_if', 'any_answer', 'poll', 'definition', 'body_file', 'pass_through'];
const stepName = /^[a-z][a-z0-9_]{0,31}$/;

/** HTTP is the form of an http destination. */
export function HTTP() {
  const { doc, set } = useContext(Work);
  const { to } = doc;
  const several = () => {
    const step = { name: 'first' };
    const rest = {};
    for (const [n, v] of Object.entries(to)) (ofAStep.includes(n) ? step : rest)[n] = v;
    set(['to'], { ...rest, steps: [step] });
  };
  const one = () => {
    const { steps, ...rest } = to;
    const { name: _, when: __, keep: ___, find: ____, find_keep: _____, headers, ...first } = steps[0];
    set(['to'], { ...rest, ...first, ...(headers || rest.headers ? { headers: { ...rest.headers, ...headers } } : {}) });
  };
  return (
    <Fragment>
      <Choice label="What is sent" value={to.steps ? 'several' : 'one'} set={(v) => (v === 'several' ? several() : one())} options={[['one', 'One request'], ['several', 'Several requests, each with values of the answers before']]} />
      {to.steps ? (
        <Fragment>
          <Login />
          <Pairs legend="Headers of all requests" what="Header" value={to.headers} set={(v) => set(['to', 'headers'], v)} more="Add a header" />
          {to.steps.map((s, i) => (
            <Step key={i} step={s} i={i} />
          ))}
          <button type="button" onClick={() => set(['to', 'steps'], [...to.steps, { name: fresh(to.steps), method: 'POST', url: '', body: '{}' }])}>
            Add a request
          </button>
        </Fragment>
      ) : (
        <Fragment>
          <OneRequest value={to} path={['to']} login />
          <Success value={to} path={['to']} />
          <Later value={to} path={['to']} />
        </Fragment>
      )}
    </Fragment>
  );
}

/** fresh is a name that no step has. */
function fresh(steps) {
  for (let n = steps.length + 1; ; n++) if (!steps.some((s) => s.name === 'step_' + n)) return 'step_' + n;
}

function Step({ step, i }) {
  const { doc, set } = useContext(Work);
  const { steps } = doc.to;
  const path = ['to', 'steps', i];
  const prefix = `steps.${step.name}.`;
  const on = (name) => (v) => set([...path, name], v);
  // Whatever uses what the step keeps goes on using it under its new name.
  const rename = (name) => {
    if (!stepName.test(name) || steps.some((s, j) => j !== i && s.name === name)) return false;
    const after = JSON.parse(JSON.stringify(steps.slice(i + 1)).replaceAll(`{{steps.${step.name}.`, `{{steps.${name}.`));
    set(['to', 'steps'], [...steps.slice(0, i), { ...step, name }, ...after]);
    return true;
  };
  const kept = Object.keys(step.keep ?? {});
  return (
    <fieldset class="b-step">
      <legend>{`Request ${i + 1}: ${step.name}`}</legend>
      <Name label="Name of the request" value={step.name} set={rename} field={'steps.' + step.name} hint="small letters, digits and _" />
      <Template label="Only when" value={step.when} set={on('when')} field={prefix + 'when'} placeholder="call.callback_requested" hint="a condition on the call; empty is always" />
      <OneRequest value={step} path={path} prefix={prefix} />
      <Pairs legend="Kept of the answer" what="Name" of="Where it stands" value={step.keep} set={on('keep')} more="Keep a value" field={prefix + 'keep'}
        hint={kept.length ? `Later requests have it as ${kept.map((k) => `{{steps.${step.name}.${k}}}`).join(', ')}` : 'such as id from $.id, for later requests'} />
      <details>
        <summary>Ask first, success, and an outcome that comes later</summary>
        <Template label="Ask first whether it is there" value={step.find} set={on('find')} field={prefix + 'find'} placeholder="https://api.example.com/v1/contacts?phone={{caller_number}}"
          hint="A GET. Where its answer has all that is kept, this request is not sent" />
        {step.find && <Pairs legend="Where that answer has them" what="Kept name" of="Where it stands" value={step.find_keep} set={on('find_keep')} more="Say where" hint="where they stand elsewhere than in the other answer" />}
        <Success value={step} path={path} prefix={prefix} />
        <Later value={step} path={path} prefix={prefix} />
      </details>
      <div class="bar">
        {i > 0 && (
          <button type="button" onClick={() => set(['to', 'steps'], [...steps.slice(0, i - 1), step, steps[i - 1], ...steps.slice(i + 1)])}>
            Before {steps[i - 1].name}
          </button>
        )}
        {steps.length > 1 && (
          <button type="button" onClick={() => set(['to', 'steps'], steps.filter((_, j) => j !== i))}>
            Take {step.name} away
          </button>
        )}
      </div>
    </fieldset>
  );
}
