// The forms of each kind of destination, in the order of the guide: where to, how to sign in, what, and how often.
import { h, Fragment } from 'preact';
import { useContext, useId, useState } from 'preact/hooks';
import * as api from './api.js';
import { Choice, Pairs, Template, Text, Tick, Work } from './fields.jsx';
import { Login, Ways } from './login.jsx';
import { HTTP } from './request.jsx';

/** Pace is how often, how fast, and how long. */
function Pace() {
  const { doc, set } = useContext(Work);
  const times = (v) => v.split(/[\s,]+/).filter(Boolean);
  const shown = (v) => (typeof v === 'number' ? `${v / 1e9}s` : v);
  return (
    <details>
      <summary>Retry, pace and what leaves</summary>
      <Text label="Attempts after a failure" field="retry" value={(doc.retry ?? []).map(shown).join(' ')} set={(v) => set(['retry'], times(v))} placeholder="0s 10s 30s 1m 5m, then longer" hint="The wait before each attempt" />
      <div class="b-row">
        <Text label="Pace" field="rate" value={doc.rate} set={(v) => set(['rate'], v)} placeholder="5/s" hint="such as 5/s or 100/10s" />
        <Text label="At once" field="concurrency" inputmode="numeric" value={doc.concurrency} set={(v) => set(['concurrency'], Number(v) || undefined)} placeholder="4" hint="1 keeps the order of calls" />
        <Text label="Longest wait for an answer" field="timeout" value={shown(doc.timeout)} set={(v) => set(['timeout'], v)} placeholder="30s" />
      </div>
      <Text label="Only these events" field="on" value={(doc.on ?? []).join(' ')} set={(v) => set(['on'], times(v))} placeholder="all" hint="such as call_ended or call_*" />
      <Text label="Only these fields leave" field="fields" value={(doc.fields ?? []).join(' ')} set={(v) => set(['fields'], times(v))} placeholder="all" hint="for minimal PII: patient_id service_type caller_number timestamp" />
      <Text label="Country of national numbers" field="region" value={doc.region} set={(v) => set(['region'], v.toUpperCase())} placeholder="US" />
    </details>
  );
}

/** Account fetches what the account knows, for those who map fields. */
function Account({ id, what, found }) {
  const { draft, readyToAsk } = useContext(Work);
  const [list, setList] = useState([]);
  const [said, setSaid] = useState('');
  const fetchThem = async () => {
    setSaid('Asking the account…');
    try {
      const { fields } = await api.fields(draft());
      setList(fields);
      found?.(fields);
      setSaid(`The account has ${fields.length} ${what}.`);
    } catch (err) {
      setSaid(err.message);
    }
  };
  return (
    <div class="b-account">
      <datalist id={id}>
        {list.map((f) => (
          <option key={f.name} value={f.name}>
            {[f.label, f.type, f.required ? 'required' : ''].filter(Boolean).join(', ')}
          </option>
        ))}
      </datalist>
      <button type="button" disabled={!readyToAsk} onClick={fetchThem}>
        Fetch the {what} of the account
      </button>{' '}
      <span class="say" role="status">
        {said || 'Or type their names.'}
      </span>
    </div>
  );
}

function HubSpot() {
  const { doc, set } = useContext(Work);
  const to = doc.to;
  const id = useId();
  const on = (name) => (v) => set(['to', name], v);
  return (
    <Fragment>
      <Ways label="Signs in as" options={[['token', 'a private app (token)'], ['oauth', 'an app with OAuth']]} />
      <p class="say">Name, e-mail, phone, company and message of the caller go to HubSpot's own properties. Contacts are found again by e-mail, or else by phone.</p>
      <Account id={id} what="properties" />
      <Pairs legend="Other contact properties" what="Property" value={to.properties} set={on('properties')} list={id} more="Add a property" field="property" />
      <Tick label="Log each call on the contact's timeline" value={to.log_call} set={on('log_call')} />
      <Tick label="With the transcript" value={to.transcript} set={on('transcript')} hint="needs the log, or a note" />
      <Tick label="Write a note" value={to.note} set={on('note')} />
      <Tick label="Make a company" value={to.company} set={(v) => set(['to', 'company'], v ? {} : undefined)} />
      <div class="b-row">
        <Text label="Stage of a deal" value={to.deal?.stage} set={(v) => set(['to', 'deal'], v ? { ...to.deal, stage: v } : undefined)} hint="its internal id; empty makes no deal" field="deal" />
        <Text label="Stage of a ticket" value={to.ticket?.stage} set={(v) => set(['to', 'ticket'], v ? { ...to.ticket, stage: v } : undefined)} hint="empty makes no ticket" field="ticket" />
      </div>
      <div class="b-row">
        <Text label="Owner" value={to.owner} set={on('owner')} hint="an id of HubSpot" />
        <Text label="Lifecycle stage" value={to.lifecycle} set={on('lifecycle')} placeholder="lead" />
        <Text label="Lead status" value={to.lead_status} set={on('lead_status')} placeholder="NEW" />
      </div>
    </Fragment>
  );
}

function Salesforce() {
  const { doc, set } = useContext(Work);
  const to = doc.to;
  const id = useId();
  const on = (...path) => (v) => set(['to', ...path], v);
  const rows = to.fields ?? [];
  const row = (i, member) => (v) => set(['to', 'fields'], rows.map((r, j) => (j === i ? { ...r, [member]: v || undefined } : r)));
  return (
    <Fragment>
      <Text label="My Domain address" field="instance" value={to.instance} set={on('instance')} placeholder="https://acme.my.salesforce.com" />
      <Ways label="Signs in with" options={[['client_credentials', 'the app’s own key and secret'], ['jwt', 'a private key (JWT bearer)'], ['refresh_token', 'a refresh token']]} />
      <div class="b-row">
        <Text label="Object" field="object" value={to.object} set={on('object')} placeholder="Lead" />
        <Text label="External id field" field="external_id" value={to.external_id} set={on('external_id')} placeholder="Call_Id__c" hint="by which the events of a call are one record" />
        <Text label="Status of a new record" value={to.status} set={on('status')} placeholder="as the organization has it" />
      </div>
      <p class="say">FirstName, LastName, Phone, Email, Company, Description and LeadSource are filled as the guide does.</p>
      <Account id={id} what="fields" />
      <fieldset class="b-pairs">
        <legend>Other fields</legend>
        {rows.map((r, i) => (
          <div class="b-pair b-three" key={i}>
            <Text label={`Field ${i + 1}`} value={r.name} list={id} set={row(i, 'name')} field={r.name} />
            <Template label={`Value of field ${i + 1}`} value={r.text ?? r.from} set={(v) => set(['to', 'fields'], rows.map((o, j) => (j === i ? { ...o, from: v || undefined, text: undefined } : o)))} placeholder="{{params.job_type}}" />
            <Text label={`Without one: field ${i + 1}`} value={r.default} set={row(i, 'default')} placeholder="nothing" />
            <button type="button" aria-label={`Take ${r.name || 'the field'} away`} onClick={() => set(['to', 'fields'], rows.filter((_, j) => j !== i))}>
              ×
            </button>
          </div>
        ))}
        <button type="button" onClick={() => set(['to', 'fields'], [...rows, { name: '', from: '' }])}>
          Add a field
        </button>
      </fieldset>
      <Tick label="Log each call as a task" value={to.log_call} set={on('log_call')} />
      <Choice label="A record that a duplicate rule blocks" value={to.duplicates ?? ''} set={on('duplicates')} options={[['', 'updates what is there'], ['allow', 'is made all the same'], ['block', 'is refused']]} />
    </Fragment>
  );
}

const resources = ['Communication', 'Task', 'Appointment', 'ServiceRequest'];

function FHIR() {
  const { doc, set } = useContext(Work);
  const to = doc.to;
  const on = (name) => (v) => set(['to', name], v);
  const id = useId();
  const [has, setHas] = useState(null);
  return (
    <Fragment>
      <Text label="Base URL of the FHIR server" field="base" value={to.base} set={on('base')} placeholder="https://ehr.example/fhir" />
      <Login withSMART />
      <Account id={id} what="resources" found={setHas} />
      <fieldset class="b-ticks">
        <legend>What a call becomes</legend>
        {resources.map((r) => (
          <Tick
            key={r}
            label={r}
            value={(to.resources ?? resources.slice(0, 3)).includes(r)}
            hint={has && !has.some((f) => f.name === r) ? 'the server does not have it' : undefined}
            set={(on) => set(['to', 'resources'], resources.filter((o) => (o === r ? on : (to.resources ?? resources.slice(0, 3)).includes(o))))}
          />
        ))}
      </fieldset>
      <Choice label="Patient" field="patient" value={to.patient ?? ''} set={on('patient')} options={[['', 'as usual'], ['lookup', 'is looked up by id'], ['phone', 'is looked up by phone'], ['reference', 'is referred to by id'], ['create', 'is made if there is none'], ['none', 'is left out']]} />
      <div class="b-row">
        <Text label="Parameter with the patient's id" value={to.patient_param} set={on('patient_param')} placeholder="patient_id" />
        <Text label="Parameter with the service" value={to.service_param} set={on('service_param')} placeholder="service_type" />
        <Text label="Time zone" field="time_zone" value={to.time_zone} set={on('time_zone')} placeholder="UTC" />
      </div>
      <Tick label="Update what later events of a call tell" value={to.update} set={on('update')} />
    </Fragment>
  );
}

export const kinds = { http: ['Any HTTP endpoint', HTTP], hubspot: ['HubSpot', HubSpot], salesforce: ['Salesforce', Salesforce], fhir: ['FHIR', FHIR] };

export function Form() {
  const { doc } = useContext(Work);
  const Kind = kinds[doc.to?.type]?.[1];
  return (
    <Fragment>
      {Kind ? <Kind /> : <p class="say">There is no form for this kind of destination; edit it as JSON.</p>}
      <Pace />
    </Fragment>
  );
}
