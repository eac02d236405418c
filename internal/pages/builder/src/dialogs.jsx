// What is asked apart from the page: what to begin from, publishing, versions, and the draft as text.
import { h, Fragment } from 'preact';
import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { differences, folded } from './differences.js';
import { Choice, Text, Work } from './fields.jsx';
import { kinds } from './forms.jsx';

/** Dialog is a modal one, which Escape closes. */
export function Dialog({ title, close, children }) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    ref.current.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog ref={ref} class="b-dialog" aria-labelledby="b-dialog-h" onClose={close}>
      <div class="b-head">
        <h2 id="b-dialog-h">{title}</h2>
        <button type="button" onClick={() => ref.current.close()}>
          Close
        </button>
      </div>
      {children}
    </dialog>
  );
}

export function Begin({ close, take }) {
  const { kit } = useContext(Work);
  const [way, setWay] = useState('example');
  const [text, setText] = useState('');
  const [list, setList] = useState(null);
  const [chosen, setChosen] = useState('');
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (way !== 'destination' || list) return;
    Promise.allSettled([api.documents(), api.destinations()]).then(([d, e]) => {
      const names = new Set();
      if (d.status === 'fulfilled') for (const one of d.value.documents) names.add(one.name);
      if (e.status === 'fulfilled') for (const one of e.value.destinations) if (!one.name.includes('/')) names.add(one.name);
      setList([...names].sort());
      setChosen([...names].sort()[0] ?? '');
    });
  }, [way]);
  const go = async (what) => {
    setSaid('');
    try {
      take(await api.begin(what));
      close();
    } catch (err) {
      setSaid(err.message);
    }
  };
  const pasted = { curl: ['curl command', "curl -X POST https://api.example.com/leads \\\n  -H 'Authorization: Bearer …' \\\n  -d '{…}'"], document: ['NextPhone webhook document', '{ "type": "http", "url": …, "body_template": … }'] };
  return (
    <Dialog title="Begin from" close={close}>
      <Choice label="What you have" value={way} set={(w) => (setWay(w), setText(''), setSaid(''))} options={[['example', 'An example of the guide'], ['curl', 'A curl command'], ['document', 'A NextPhone webhook document'], ['destination', 'A destination that there is'], ['kind', 'Nothing yet: a kind of destination']]} />
      {way === 'example' && (
        <ul class="b-begin">
          {kit.examples.map((e) => (
            <li key={e.name}>
              <button type="button" onClick={() => go({ example: e.name })}>
                {e.title}
              </button>
            </li>
          ))}
        </ul>
      )}
      {pasted[way] && (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            go({ [way]: text });
          }}
        >
          <div class="b-field">
            <label for="b-paste">Paste the {pasted[way][0]}</label>
            <textarea id="b-paste" rows="10" spellcheck={false} placeholder={pasted[way][1]} value={text} onInput={(e) => setText(e.currentTarget.value)} />
          </div>
          <p class="say">Credentials in it become secrets; they are not shown again once they are kept.</p>
          <button type="submit" class="first" disabled={!text.trim()}>
            Begin
          </button>
        </form>
      )}
      {way === 'destination' && (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            go({ destination: chosen });
          }}
        >
          {list === null ? <p role="status">Looking…</p> : list.length === 0 ? <p>There is none yet.</p> : <Choice label="Destination" value={chosen} set={setChosen} options={list.map((n) => [n, n])} />}
          <button type="submit" class="first" disabled={!chosen}>
            Begin
          </button>
        </form>
      )}
      {way === 'kind' && (
        <ul class="b-begin">
          {Object.entries(kinds).map(([k, [title]]) => (
            <li key={k}>
              <button
                type="button"
                onClick={() => {
                  take({ kind: k });
                  close();
                }}
              >
                {title}
              </button>
            </li>
          ))}
        </ul>
      )}
      {said && (
        <p class="b-error" role="alert">
          {said}
        </p>
      )}
    </Dialog>
  );
}

const signs = { '-': ['b-del', 'Taken out: '], '+': ['b-ins', 'Put in: '] };

/** Differences shows what differs between two texts. */
function Differences({ before, after }) {
  return (
    <pre class="b-diff" tabIndex="0" role="region" aria-label="What differs">
      {folded(differences(before, after)).map(([sign, text], i) => (
        <div key={i} class={signs[sign]?.[0]}>
          {sign === '…' ? (
            <span class="say">{text} lines are the same</span>
          ) : (
            <Fragment>
              <span aria-hidden="true">{sign} </span>
              {signs[sign] && <span class="b-unseen">{signs[sign][1]}</span>}
              {text}
            </Fragment>
          )}
        </div>
      ))}
    </pre>
  );
}

const indented = (v) => JSON.stringify(v, null, 2);

/** readable has the lines of a body as lines, since people compare them so. */
function readable(doc) {
  if (!doc) return '';
  const body = doc.to?.body;
  if (typeof body !== 'string') return indented(doc);
  const { body: _, ...to } = doc.to;
  return indented({ ...doc, to }) + '\n\n' + body;
}

export function Publish({ close, live, done }) {
  const { doc, name, setName, base, written } = useContext(Work);
  const [note, setNote] = useState('');
  const [change, setChange] = useState(null);
  const [said, setSaid] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    setChange(null);
    setSaid('');
    if (!name) return undefined;
    const timer = setTimeout(() => api.save(name, { ...written(), dry_run: true, publish: true }).then(setChange, (err) => setSaid(err.message)), 250);
    return () => clearTimeout(timer);
  }, [name]);
  const save = async (publish) => {
    setBusy(true);
    setSaid('');
    try {
      // A draft that says the same is published as it is.
      const kept = await api.save(name, { ...written(), note, base, publish });
      const put = publish && kept.state === 'draft' ? await api.publish(name, kept.version) : kept;
      done(put, publish);
      close();
    } catch (err) {
      setSaid(err.message);
      setBusy(false);
    }
  };
  return (
    <Dialog title="Keep and publish" close={close}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          save(true);
        }}
      >
        <Text label="Name of the destination" value={name} set={setName} hint="deliver lines send calls to this name" />
        <h3>{live ? 'What changes' : 'It is new'}</h3>
        {live ? <Differences before={readable(live)} after={readable(doc)} /> : <p class="say">Nothing of this name is in force.</p>}
        {change && <p class="say">{change.differences.length ? `Differs in ${change.differences.map((d) => d.path || 'the whole').join(', ')}` : 'Says what is in force already'}</p>}
        {(change?.warnings ?? []).map((w) => (
          <p key={w} class="say">
            {w}
          </p>
        ))}
        <Text label="Note" value={note} set={setNote} hint="why, for those who come after you" />
        {said && (
          <p class="b-error" role="alert">
            {said}
          </p>
        )}
        <div class="bar">
          <button type="button" disabled={busy || !name} onClick={() => save(false)}>
            Keep as a draft
          </button>
          <button type="submit" class="first" disabled={busy || !name || !!said}>
            Publish
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function Versions({ close, name, open, changed }) {
  const [list, setList] = useState(null);
  const [said, setSaid] = useState('');
  const load = () => api.versions(name).then((l) => setList(l.documents), (err) => setSaid(err.message));
  useEffect(() => void load(), []);
  const back = async (version) => {
    setSaid('');
    try {
      changed(await api.rollback(name, version, `back to version ${version}`));
      await load();
    } catch (err) {
      setSaid(err.message);
    }
  };
  return (
    <Dialog title={`Versions of ${name}`} close={close}>
      {said && (
        <p class="b-error" role="alert">
          {said}
        </p>
      )}
      {list && (
        <div class="scroll">
          <table>
            <caption class="b-unseen">Versions, the last first</caption>
            <thead>
              <tr>
                <th scope="col">Version</th>
                <th scope="col">When</th>
                <th scope="col">By</th>
                <th scope="col">Note</th>
                <th scope="col">
                  <span class="b-unseen">Do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.map((d, i) => (
                <tr key={d.version}>
                  <th scope="row">
                    {d.version}, {d.state}
                  </th>
                  <td>
                    <time dateTime={d.at} title={d.at}>
                      {new Date(d.at).toLocaleString()}
                    </time>
                  </td>
                  <td>{d.author}</td>
                  <td>{d.note}</td>
                  <td>
                    <button type="button" onClick={() => open(d.version)} aria-label={`Edit version ${d.version}`}>
                      Edit
                    </button>{' '}
                    {i > 0 && d.published_at && (
                      <button type="button" onClick={() => back(d.version)} aria-label={`Roll back to version ${d.version}`}>
                        Roll back
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Dialog>
  );
}

export function Lines({ close }) {
  const { draft, doc } = useContext(Work);
  const [lines, setLines] = useState(null);
  const [said, setSaid] = useState('');
  const [as, setAs] = useState('caddyfile');
  useEffect(() => {
    api.lines(draft()).then(setLines, (err) => setSaid(err.message));
  }, [doc]);
  const text = lines ? (as === 'json' ? lines.json : lines.caddyfile) : '';
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied.');
    } catch {
      setSaid('The browser does not let it be copied; select the text and copy it yourself.');
    }
  };
  return (
    <Dialog title="Copy" close={close}>
      <Choice label="As" value={as} set={(v) => (setAs(v), setSaid(''))} options={[['caddyfile', 'Caddyfile'], ['json', 'JSON']]} />
      {lines && as === 'caddyfile' && !lines.caddyfile ? (
        <p class="b-error">{lines.why}</p>
      ) : (
        <Fragment>
          <pre tabIndex="0" aria-label={as === 'json' ? 'JSON' : 'Caddyfile'}>
            {text}
          </pre>
          {as === 'caddyfile' && <p class="say">Secrets come from the environment there: set each {'{env.NAME}'} where the gateway runs.</p>}
          <button type="button" class="first" onClick={copy}>
            Copy
          </button>
        </Fragment>
      )}{' '}
      <span role="status">{said}</span>
    </Dialog>
  );
}
