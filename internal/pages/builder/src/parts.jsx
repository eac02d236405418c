// The parts of a body of multipart/form-data: texts, several of one name, and files.
import { h, Fragment } from 'preact';
import { languageOf } from './draft.js';
import { Choice, Name, Template, Text, useRows } from './fields.jsx';

const members = ['file_name', 'content_type', 'value'];
const isText = (v) => v === null || ['string', 'number', 'boolean'].includes(typeof v);
const isFile = (v) => !!v && typeof v === 'object' && typeof v.file_name === 'string' && Object.entries(v).every(([n, t]) => members.includes(n) && typeof t === 'string');
const kindOf = (v) => (Array.isArray(v) ? 'list' : isText(v) ? 'text' : 'file');

/** isPart reports whether a value is one that the form shows. */
export const isPart = (v) => isText(v) || isFile(v) || (Array.isArray(v) && v.every(isText));

/** textsOf are the texts that a part says. A number, or true and false, goes as it is written. */
export const textsOf = (v) => (Array.isArray(v) ? v.flatMap(textsOf) : [isFile(v) ? (v.value ?? '') : v === null || v === undefined ? '' : String(v)]);

const as = {
  text: (v) => textsOf(v)[0] ?? '',
  list: (v) => textsOf(v),
  file: (v, name) => ({ file_name: `${name || 'file'}.txt`, content_type: 'text/plain', value: textsOf(v).join('\n') }),
};

const kinds = [['text', 'a text'], ['list', 'several values'], ['file', 'a file']];

/** Parts are the rows of them. A new one counts when it has a name. */
export function Parts({ value, set, field }) {
  const { all, change, rename, away, full, add } = useRows(value, set);
  return (
    <fieldset class="b-pairs">
      <legend>Parts</legend>
      {all.map(([name, part], i) => {
        const kind = kindOf(part);
        const n = i + 1;
        return (
          <div class="b-part" key={i}>
            <div class="b-pair">
              <Name label={`Part ${n}`} value={name} set={(v) => rename(i, v)} field={field} />
              <Choice label={`What part ${n} is`} value={kind} set={(k) => k !== kind && change(i, as[k](part, name))} options={kinds} />
              <button type="button" aria-label={`Take ${name || 'the new row'} away`} onClick={() => away(i)}>
                ×
              </button>
            </div>
            {kind === 'text' && <Template key="text" label={`Value of part ${n}`} value={textsOf(part)[0]} set={(v) => change(i, v)} />}
            {kind === 'list' && <List key="list" n={n} values={textsOf(part)} set={(v) => change(i, v)} />}
            {kind === 'file' && <File key="file" n={n} file={part} set={(v) => change(i, v)} />}
          </div>
        );
      })}
      <button type="button" disabled={full} onClick={add}>
        Add a part
      </button>
    </fieldset>
  );
}

function List({ n, values, set }) {
  return (
    <Fragment>
      {values.map((v, j) => (
        <div class="b-one" key={j}>
          <Template label={`Value ${j + 1} of part ${n}`} value={v} set={(to) => set(values.map((o, k) => (k === j ? to : o)))} />
          <button type="button" aria-label={`Take value ${j + 1} of part ${n} away`} onClick={() => set(values.filter((_, k) => k !== j))}>
            ×
          </button>
        </div>
      ))}
      <button type="button" onClick={() => set([...values, ''])}>
        Add a value to part {n}
      </button>
    </Fragment>
  );
}

function File({ n, file, set }) {
  const on = (name) => (v) => {
    const { [name]: _, ...rest } = file;
    set(name === 'content_type' && !v ? rest : { ...rest, [name]: v });
  };
  return (
    <Fragment>
      <div class="b-two">
        <Template label={`File name of part ${n}`} value={file.file_name} set={on('file_name')} placeholder="call-{{call_id}}.txt" />
        <Text label={`Content type of part ${n}`} value={file.content_type} set={on('content_type')} placeholder="text/plain" />
      </div>
      <Template label={`Content of part ${n}`} value={file.value} set={on('value')} line={false} language={file.content_type ? languageOf(file.content_type) : 'text'} />
    </Fragment>
  );
}
