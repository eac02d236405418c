// The parts that the forms are made of.
import { h } from 'preact';
import { useContext, useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { createContext } from 'preact';
import { Code } from './code.js';
import { hostsOf, secretName } from './draft.js';

/** Work is what every field needs: the document, how it is changed, the problems, and who was focused last. */
export const Work = createContext(null);

/** problemsOf are the problems of a setting. */
function useProblems(field) {
  const { problems } = useContext(Work);
  return field ? problems.filter((p) => p.field?.toLowerCase() === field.toLowerCase()) : [];
}

function Said({ id, list }) {
  return list.length === 0 ? null : (
    <span class="b-said" id={id}>
      {list.map((p) => (
        <span class={'b-' + p.severity} key={p.message}>
          {p.severity === 'error' ? 'Wrong: ' : 'Note: '}
          {p.line > 0 ? `line ${p.line}, column ${p.column}: ` : ''}
          {p.message}
        </span>
      ))}
    </span>
  );
}

/** Field is a label, something to fill in, and what is wrong with it. */
export function Field({ label, hint, field, children }) {
  const id = useId();
  const list = useProblems(field);
  return (
    <div class="b-field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': `${id}-h ${id}-p`, 'aria-invalid': list.some((p) => p.severity === 'error') ? 'true' : undefined })}
      {hint && (
        <span class="say" id={id + '-h'}>
          {hint}
        </span>
      )}
      <Said id={id + '-p'} list={list} />
    </div>
  );
}

export function Text({ label, hint, field, value, set, type = 'text', list, placeholder, inputmode }) {
  return (
    <Field label={label} hint={hint} field={field}>
      {(a) => type === 'lines' ? <textarea {...a} rows="4" placeholder={placeholder} value={value ?? ''} autocomplete="off" spellcheck={false} onInput={(e) => set(e.currentTarget.value)} /> : <input {...a} type={type} list={list} placeholder={placeholder} inputmode={inputmode} value={value ?? ''} autocomplete="off" spellcheck={false} onInput={(e) => set(e.currentTarget.value)} />}
    </Field>
  );
}

export function Choice({ label, hint, field, value, set, options }) {
  return (
    <Field label={label} hint={hint} field={field}>
      {(a) => (
        <select {...a} value={value} onChange={(e) => set(e.currentTarget.value)}>
          {options.map(([v, text]) => (
            <option key={v} value={v}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function Tick({ label, hint, value, set }) {
  const id = useId();
  return (
    <div class="b-tick">
      <input id={id} type="checkbox" checked={!!value} aria-describedby={hint && id + '-h'} onChange={(e) => set(e.currentTarget.checked || undefined)} />
      <label for={id}>{label}</label>
      {hint && (
        <span class="say" id={id + '-h'}>
          {hint}
        </span>
      )}
    </div>
  );
}

/** Template is a text with {{variables}}. */
export function Template({ label, hint, field, value, set, language = 'text', line = true, hidden, placeholder, name }) {
  const host = useRef(null);
  const code = useRef(null);
  const latest = useRef(set);
  // What the editor said itself and that comes back as its value, perhaps when there is more in it already.
  const echoes = useRef([]);
  const work = useContext(Work);
  const id = useId();
  latest.current = set;
  const list = useProblems(field);
  useLayoutEffect(() => {
    code.current = new Code(host.current, {
      label, value: value ?? '', line, language, placeholder, describedby: id + '-p',
      changed: (text) => {
        echoes.current.push(text);
        latest.current(text);
      },
      focused: (c) => work.focused(c),
    });
    if (name) work.named(name, code.current);
    return () => {
      work.gone(code.current);
      code.current.destroy();
    };
  }, []);
  useEffect(() => {
    const i = echoes.current.lastIndexOf(value ?? '');
    if (i >= 0) echoes.current.splice(0, i + 1);
    else {
      echoes.current = [];
      code.current.set(value ?? '');
    }
  }, [value]);
  useEffect(() => code.current.speak(language), [language]);
  useEffect(() => {
    if (line) code.current.problems([]);
    else code.current.problems(work.problems.filter((p) => p.field === field || (p.variable && !p.line && p.severity === 'warning')));
  }, [work.problems]);
  return (
    <div class="b-field">
      <span class={hidden ? 'b-hidden' : 'b-label'} aria-hidden="true">
        {label}
      </span>
      <div ref={host} class={line ? 'b-line' : 'b-code'} />
      {hint && <span class="say">{hint}</span>}
      <Said id={id + '-p'} list={list} />
    </div>
  );
}

/** Secret is a setting that holds nothing but the name of a secret; its value is written beside the document and never shown.
    One of several lines is a key. */
export function Secret({ label, field, value, set, proposed = 'API_KEY', lines }) {
  const { doc, kit, secrets, kept, setSecret } = useContext(Work);
  const name = secretName(value);
  const listed = kit.secrets.find((s) => s.name === name);
  const own = secrets[name];
  const names = [...new Set([...kit.secrets.map((s) => s.name), ...Object.keys(kept), ...Object.keys(secrets)])].sort();
  const isOwn = name && !listed;
  return (
    <fieldset class="b-secret">
      <legend>{label}</legend>
      <Choice
        label="Secret"
        field={field}
        value={name && names.includes(name) ? name : name ? '+' : ''}
        set={(v) => set(v === '' ? undefined : `{secret.${v === '+' ? proposed : v}}`)}
        options={[['', 'choose…'], ...names.map((n) => [n, n + (kit.secrets.some((s) => s.name === n) ? ' (of the gateway)' : '')]), ['+', name && !names.includes(name) ? `${name} (new)` : 'a new one']]}
      />
      {isOwn && (
        <div class={lines ? '' : 'b-two'}>
          <Name
            label="Name"
            value={name}
            set={(v) => {
              if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(v)) return false;
              if (own && v !== name) {
                setSecret(name, undefined);
                setSecret(v, own);
              }
              set(`{secret.${v}}`);
              return true;
            }}
          />
          <Text
            label={kept[name] ? 'New value' : 'Value'}
            type={lines ? 'lines' : 'password'}
            value={own?.value}
            placeholder={kept[name] ? 'as it is' : ''}
            set={(v) => setSecret(name, v ? { value: v, hosts: own?.hosts } : undefined)}
            hint="Not shown again once it is kept"
          />
          <Text
            label="Only for the hosts"
            value={(own?.hosts ?? kept[name]?.hosts ?? hostsOf(doc)).join(' ')}
            set={(v) => setSecret(name, { value: own?.value ?? '', hosts: v.split(/[\s,]+/).filter(Boolean) })}
            hint="It is sent nowhere else, whatever the URL says"
          />
        </div>
      )}
      {listed && <p class="say">{listed.hosts?.length ? `Only for ${listed.hosts.join(', ')}` : 'It names no host, so it is sent nowhere'}</p>}
    </fieldset>
  );
}

/** Name is a text that counts when it is left, as names of rows do: half of one may be another's. What is typed until then
    stays, whatever else of the page is drawn anew meanwhile. */
export function Name({ label, value, set, list, field, hint }) {
  const [typed, setTyped] = useState(null);
  return (
    <Field label={label} field={field} hint={hint}>
      {(a) => (
        <input
          {...a}
          list={list}
          value={typed ?? value}
          autocomplete="off"
          spellcheck={false}
          onInput={(e) => setTyped(e.currentTarget.value)}
          onChange={(e) => {
            if (!set(e.currentTarget.value.trim())) e.currentTarget.value = value;
            setTyped(null);
          }}
        />
      )}
    </Field>
  );
}

/** useRows are the members of an object as rows, which are changed, renamed and taken away. A new row counts when it has a name. */
export function useRows(value, set) {
  const [fresh, setFresh] = useState(null); // the value of a row that has no name yet
  const rows = Object.entries(value ?? {});
  const all = fresh === null ? rows : [...rows, ['', fresh]];
  const put = (i, name, to) => set(Object.fromEntries(all.map((r, j) => (j === i ? [name, to] : r)).filter(([n]) => n)));
  const change = (i, to) => (all[i][0] ? put(i, all[i][0], to) : setFresh(to));
  const rename = (i, name) => {
    if (!name || rows.some(([n], j) => n === name && j !== i)) return false;
    if (i === rows.length) setFresh(null);
    put(i, name, all[i][1]);
    return true;
  };
  const away = (i) => {
    if (i === rows.length) setFresh(null);
    else set(rows.length > 1 ? Object.fromEntries(rows.filter((_, j) => j !== i)) : undefined);
  };
  return { all, change, rename, away, full: fresh !== null, add: () => setFresh('') };
}

/** Pairs are rows of a name and a template. */
export function Pairs({ legend, what, of = 'Value', value, set, list, hint, more = 'Add', field, prefix = '' }) {
  const { all, change, rename, away, full, add } = useRows(value, set);
  return (
    <fieldset class="b-pairs">
      <legend>{legend}</legend>
      {hint && <p class="say">{hint}</p>}
      {all.map(([name, text], i) => (
        <div class="b-pair" key={i}>
          <Name label={`${what} ${i + 1}`} value={name} list={list} set={(v) => rename(i, v)} field={field ?? prefix + name} />
          <Template label={of === 'Value' ? `Value of ${what.toLowerCase()} ${i + 1}` : `${of} ${i + 1}`} value={text} set={(v) => change(i, v)} />
          <button type="button" aria-label={`Take ${name || 'the new row'} away`} onClick={() => away(i)}>
            ×
          </button>
        </div>
      ))}
      <button type="button" disabled={full} onClick={add}>
        {more}
      </button>
    </fieldset>
  );
}
