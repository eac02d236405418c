// The visual webhook builder: variables | editor | request as it would go. All rendering is the gateway's; this page asks it.
import { h, render, Fragment } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { known } from './code.js';
import { Begin, Lines, Publish, Versions } from './dialogs.jsx';
import { hostsOf, keptBy, put, same, secretsIn, starts } from './draft.js';
import { Choice, Template, Work } from './fields.jsx';
import { Form, kinds } from './forms.jsx';
import { Request, Variables } from './panes.jsx';

const revealed = 5 * 60 * 1000; // milliseconds for which values of a real call are shown
const calm = 300; // milliseconds without a key before the gateway is asked

function App({ kit, opened }) {
  const [doc, setDoc] = useState(opened.doc);
  const [clean, setClean] = useState(opened.doc);
  const [name, setName] = useState(opened.name);
  const [base, setBase] = useState(opened.base);
  const [live, setLive] = useState(opened.live);
  const [kept, setKept] = useState(opened.kept);
  const [secrets, setSecrets] = useState({});
  const [sample, setSample] = useState(root.dataset.event ? { event: root.dataset.event } : {});
  const [variables, setVariables] = useState({ list: [] });
  const [preview, setPreview] = useState({ requests: [], problems: [] });
  const [notes, setNotes] = useState(opened.notes ?? []);
  const [dialog, setDialog] = useState(opened.name ? '' : 'begin');
  const [asJSON, setAsJSON] = useState(false);
  const [text, setText] = useState('');
  const [badJSON, setBadJSON] = useState('');
  const [answer, setAnswer] = useState(null);
  const [testing, setTesting] = useState(false);
  const [said, setSaid] = useState('');
  const last = useRef(null);
  const codes = useRef({});
  const dirty = !same(doc, clean) || Object.keys(secrets).length > 0;

  const used = secretsIn(doc);
  // A secret that was typed here is for where this sends, until somebody says otherwise.
  const written = () => ({ body: doc, secrets: Object.fromEntries(Object.entries(secrets).filter(([n, s]) => used.includes(n) && s.value).map(([n, s]) => [n, { value: s.value, hosts: s.hosts ?? hostsOf(doc) }])) });
  const draft = () => ({ name: kept && Object.keys(kept).length ? name : '', sample, ...written() });

  useEffect(() => {
    const guard = (e) => dirty && e.preventDefault();
    addEventListener('beforeunload', guard);
    return () => removeEventListener('beforeunload', guard);
  }, [dirty]);

  // What was revealed goes again by itself.
  useEffect(() => {
    if (!sample.reason) return undefined;
    const timer = setTimeout(() => setSample(({ reason: _, ...rest }) => rest), revealed);
    return () => clearTimeout(timer);
  }, [sample]);

  useEffect(() => setPreview((p) => ({ ...p, requests: [], masked: false })), [sample, doc.to?.type]);

  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const got = await api.sample(sample, stop.signal);
        setVariables({ list: got.variables, masked: got.masked });
      } catch (err) {
        if (err.name !== 'AbortError') setVariables((v) => ({ ...v, error: err.message }));
      }
    }, sample.payload === undefined ? 0 : calm);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [sample]);

  useEffect(() => {
    if (badJSON) return undefined;
    const stop = new AbortController();
    setPreview((p) => ({ ...p, busy: true }));
    const timer = setTimeout(async () => {
      try {
        const got = await api.preview(draft(), stop.signal);
        // The last request stays while something is wrong, greyed, so that nothing jumps.
        setPreview((p) => ({ ...got, requests: got.requests.length ? got.requests : p.requests, busy: false }));
      } catch (err) {
        if (err.name !== 'AbortError') setPreview((p) => ({ ...p, busy: false, error: err.message }));
      }
    }, calm);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [doc, sample, secrets, name, badJSON]);

  known.variables = [...keptBy(doc), ...variables.list];
  const set = (path, to) => {
    setSaid('');
    setDoc((d) => put(d, path, to));
  };
  const work = {
    kit, doc, set, name, setName, base, sample, setSample, variables, secrets, kept, written, draft,
    problems: preview.problems,
    readyToAsk: used.every((n) => kit.secrets.some((s) => s.name === n) || kept[n] || secrets[n]?.value),
    setSecret: (n, s) =>
      setSecrets((all) => {
        const next = { ...all };
        if (s) next[n] = s;
        else delete next[n];
        return next;
      }),
    focused: (c) => (last.current = c),
    named: (n, c) => (codes.current[n] = c),
    gone: (c) => {
      if (last.current === c) last.current = null;
      for (const n of Object.keys(codes.current)) if (codes.current[n] === c) delete codes.current[n];
    },
  };
  const insert = (t) => (last.current ?? codes.current.body ?? codes.current.url)?.insert(t);
  const go = (p) => {
    const c = codes.current[p.field] ?? (p.variable ? codes.current.body : null);
    if (c) c.go(p);
    else document.querySelector('.b-editor [aria-invalid="true"]')?.focus();
  };
  const take = (begun) => {
    setDoc(begun.kind ? starts[begun.kind] : begun.body);
    setSecrets(Object.fromEntries(Object.entries(begun.secrets ?? {}).filter(([, s]) => s.value).map(([n, s]) => [n, { value: s.value }])));
    setNotes(begun.notes ?? []);
    setAnswer(null);
    setAsJSON(false);
  };
  const test = async (reason) => {
    setTesting(true);
    setAnswer(null);
    try {
      const got = await api.test({ ...draft(), sample: reason ? { ...sample, reason } : sample });
      setAnswer(got);
      if (got.problems) setPreview((p) => ({ ...p, problems: got.problems }));
    } catch (err) {
      setAnswer({ error: err.message });
    }
    setTesting(false);
  };
  const done = async (change, published) => {
    history.replaceState(null, '', root.dataset.prefix + 'builder/' + encodeURIComponent(name));
    setClean(doc);
    setBase(change.version);
    setSecrets({});
    if (published) setLive(doc);
    setSaid(change.unchanged && !published ? 'Nothing had changed.' : published ? `Version ${change.version} is in force.` : `Kept as version ${change.version}, a draft.`);
    try {
      setKept((await api.shown(name)).secrets ?? {});
    } catch {
      // the secrets are kept all the same
    }
  };
  const open = async (version) => {
    try {
      const v = await api.shown(name, version);
      const body = v.body.to ? v.body : (await api.begin({ document: JSON.stringify(v.body) })).body;
      setDoc(body);
      setDialog('');
      setSaid(`This is version ${version}. Publish it to put it into force.`);
    } catch (err) {
      setSaid(err.message);
    }
  };
  const json = (t) => {
    setText(t);
    try {
      const d = JSON.parse(t);
      setBadJSON('');
      setDoc(d);
    } catch (err) {
      setBadJSON(err.message);
    }
  };
  const kind = doc.to?.type;
  return (
    <Work.Provider value={work}>
      <div class="b-head">
        <h1>{name || 'New destination'}</h1>
        <span class="say">
          {dirty ? 'changed, not kept' : base ? `version ${base}` : ''}
        </span>
        <button type="button" onClick={() => setDialog('begin')}>
          Begin from…
        </button>
        {base > 0 && (
          <button type="button" onClick={() => setDialog('versions')}>
            Versions…
          </button>
        )}
      </div>
      {notes.length > 0 && (
        <div class="note" role="note">
          <ul>
            {notes.map((n) => (
              <li key={n}>{n}</li>
            ))}
          </ul>
          <button type="button" onClick={() => setNotes([])}>
            Understood
          </button>
        </div>
      )}
      <div class="b-three-panes">
        <Variables insert={insert} />
        <section class="paper pane b-editor" aria-labelledby="b-editor-h">
          <div class="b-head">
            <h2 id="b-editor-h">To send</h2>
            <button
              type="button"
              aria-pressed={asJSON ? 'true' : 'false'}
              onClick={() => {
                if (!asJSON) setText(JSON.stringify(doc, null, 2));
                setBadJSON('');
                setAsJSON(!asJSON);
              }}
            >
              As JSON
            </button>
          </div>
          {asJSON ? (
            <Fragment>
              <Template label="Destination as JSON" value={text} set={json} line={false} language="json" name="json" />
              {badJSON && (
                <p class="b-error" role="alert">
                  This is no JSON yet: {badJSON}
                </p>
              )}
            </Fragment>
          ) : (
            <Fragment>
              <Choice label="Kind" value={kind} set={(k) => setDoc(k === kind ? doc : starts[k])} options={[...Object.entries(kinds).map(([k, [title]]) => [k, title]), ...(kinds[kind] ? [] : [[kind, kind]])]} />
              <Form key={kind} />
            </Fragment>
          )}
        </section>
        <Request preview={preview} go={go} test={test} testing={testing} answer={answer} />
      </div>
      <div class="bar b-foot">
        <span class="say" role="status">
          {said || (live ? (same(live, doc) ? 'Says what is in force.' : 'Differs from what is in force.') : 'Not in force yet.')}
        </span>
        <button type="button" onClick={() => setDialog('lines')}>
          Copy as…
        </button>
        <button type="button" class="first" onClick={() => setDialog('publish')} disabled={preview.problems.some((p) => p.severity === 'error') || !!badJSON}>
          Publish…
        </button>
      </div>
      {dialog === 'begin' && <Begin close={() => setDialog('')} take={take} />}
      {dialog === 'publish' && <Publish close={() => setDialog('')} live={live} done={done} />}
      {dialog === 'versions' && (
        <Versions
          close={() => setDialog('')}
          name={name}
          open={open}
          changed={(c) => {
            setBase(c.version);
            setSaid(`Version ${c.version} is in force.`);
            api.shown(name).then((v) => {
              if (!v.body.to) return;
              setDoc(v.body);
              setClean(v.body);
              setLive(v.body);
            }, () => {});
          }}
        />
      )}
      {dialog === 'lines' && <Lines close={() => setDialog('')} />}
    </Work.Provider>
  );
}

/** openNamed reads what there is of a name; a new one begins with an http destination. */
async function openNamed(name) {
  const fresh = { doc: starts.http, name, base: 0, live: null, kept: {} };
  if (!name) return fresh;
  try {
    const v = await api.shown(name);
    const plain = async (body) => (body.to ? body : (await api.begin({ document: JSON.stringify(body) })).body);
    const doc = await plain(v.body);
    let live = v.state === 'published' ? doc : null;
    if (!live) {
      const { documents } = await api.versions(name);
      const before = documents.find((d) => d.state === 'published');
      if (before) live = await plain((await api.shown(name, before.version)).body);
    }
    return { doc, name, base: v.version, live, kept: v.secrets ?? {} };
  } catch (err) {
    if (err.status !== 404) throw err;
    const begun = await api.begin({ destination: name }).catch(() => ({ body: starts.http }));
    return { ...fresh, doc: begun.body, notes: begun.notes };
  }
}

const root = document.getElementById('builder');
api.begins(root.dataset.prefix + 'api/');
known.nonce = root.dataset.nonce;

async function start() {
  try {
    const [kit, opened] = await Promise.all([api.kit(), openNamed(root.dataset.name)]);
    known.filters = kit.filters;
    root.replaceChildren();
    render(<App kit={kit} opened={opened} />, root);
  } catch (err) {
    const p = document.createElement('p');
    p.className = 'b-error';
    p.setAttribute('role', 'alert');
    p.textContent = err.message;
    const again = document.createElement('button');
    again.textContent = 'Try again';
    again.onclick = start;
    root.replaceChildren(p, again);
  }
}
start();
