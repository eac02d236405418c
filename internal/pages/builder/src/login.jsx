// How one signs in at a receiving system.
import { h, Fragment } from 'preact';
import { useContext } from 'preact/hooks';
import { Choice, Pairs, Secret, Text, Work } from './fields.jsx';

const ways = [
  ['', 'nothing'],
  ['bearer', 'Bearer token'],
  ['api_key', 'API key in a header'],
  ['basic', 'Name and password'],
  ['digest', 'Name and password, as a digest'],
  ['oauth2', 'OAuth 2'],
];
const smart = ['smart', 'SMART backend services (a private key)'];

// What each way begins with.
const begins = {
  bearer: () => '{secret.API_TOKEN}',
  api_key: () => ({ header: 'X-API-Key', value: '{secret.API_KEY}' }),
  basic: () => ({ user: '', password: '{secret.API_PASSWORD}' }),
  digest: () => ({ user: '', password: '{secret.API_PASSWORD}' }),
  oauth2: () => ({ token_url: 'https://', client_id: '', client_secret: '{secret.CLIENT_SECRET}' }),
  smart: () => ({ token_url: 'https://', client_id: '', key: '{secret.PRIVATE_KEY}' }),
  token: () => '{secret.HUBSPOT_TOKEN}',
  oauth: () => ({ client_id: '', client_secret: '{secret.HUBSPOT_CLIENT_SECRET}', refresh_token: '{secret.HUBSPOT_REFRESH_TOKEN}' }),
  client_credentials: () => ({ client_id: '{secret.SF_ID}', client_secret: '{secret.SF_SECRET}' }),
  refresh_token: () => ({ client_id: '{secret.SF_ID}', client_secret: '{secret.SF_SECRET}', refresh_token: '{secret.SF_REFRESH_TOKEN}' }),
  jwt: () => ({ client_id: '{secret.SF_ID}', user: '', key: '{secret.SF_KEY}' }),
};

/** Ways chooses one of the ways to sign in, each a member of the settings; what is chosen is shown by those below. */
export function Ways({ options, label = 'Authentication' }) {
  const { doc, set } = useContext(Work);
  const way = options.map(([w]) => w).find((w) => w && doc.to[w] !== undefined) ?? '';
  const choose = (w) => {
    const next = { ...doc.to };
    for (const [other] of options) delete next[other];
    if (begins[w]) next[w] = begins[w]();
    set(['to'], next);
  };
  const Shown = shown[way];
  return (
    <Fragment>
      <Choice label={label} value={way} set={choose} options={options} />
      {Shown && <Shown key={way} at={doc.to[way]} on={(...path) => (v) => set(['to', way, ...path], v)} way={way} />}
    </Fragment>
  );
}

export function Login({ withSMART }) {
  return <Ways options={withSMART ? [...ways, smart] : ways} />;
}

const scopes = (at, on) => <Text label="Scopes" value={(at.scopes ?? []).join(' ')} set={(v) => on('scopes')(v.split(/\s+/).filter(Boolean))} />;
const Password = ({ at, on, way }) => (
  <Fragment>
    <Text label="User name" value={at.user} set={on('user')} field={way} />
    <Secret label="Password" value={at.password} set={on('password')} proposed="API_PASSWORD" />
  </Fragment>
);

const shown = {
  bearer: ({ at, on }) => <Secret label="Token" field="bearer" value={at} set={on()} proposed="API_TOKEN" />,
  token: ({ at, on }) => <Secret label="Token of the private app" field="token" value={at} set={on()} proposed="HUBSPOT_TOKEN" />,
  api_key: ({ at, on }) => (
    <Fragment>
      <Text label="Header of the key" value={at.header} set={on('header')} field="api_key" />
      <Secret label="Key" value={at.value} set={on('value')} proposed="API_KEY" />
    </Fragment>
  ),
  basic: Password,
  digest: Password,
  oauth2: ({ at, on }) => (
    <Fragment>
      <Text label="Token URL" value={at.token_url} set={on('token_url')} field="oauth2" />
      <Text label="Client id" value={at.client_id} set={on('client_id')} />
      <Secret label="Client secret" value={at.client_secret} set={on('client_secret')} proposed="CLIENT_SECRET" />
      <Choice
        label="Grant"
        value={at.refresh_token === undefined ? '' : 'refresh'}
        set={(v) => on('refresh_token')(v ? '{secret.REFRESH_TOKEN}' : undefined)}
        options={[['', 'the client’s own (client credentials)'], ['refresh', 'by a refresh token']]}
      />
      {at.refresh_token !== undefined && <Secret label="Refresh token" value={at.refresh_token} set={(v) => on('refresh_token')(v ?? '{secret.REFRESH_TOKEN}')} proposed="REFRESH_TOKEN" />}
      {scopes(at, on)}
      <Choice label="The client’s id and secret go" value={at.secret_in ?? ''} set={on('secret_in')} options={[['', 'where the server takes them'], ['header', 'into the header'], ['form', 'into the form']]} />
      <Pairs legend="Sent to the token server besides" what="Parameter" value={at.params} set={on('params')} more="Add a parameter" hint="such as audience or resource" />
    </Fragment>
  ),
  smart: ({ at, on }) => (
    <Fragment>
      <Text label="Token URL" value={at.token_url} set={on('token_url')} field="smart" hint="from the server's .well-known/smart-configuration" />
      <Text label="Client id" value={at.client_id} set={on('client_id')} hint="as it was registered" />
      <Secret label="Private key" value={at.key} set={on('key')} proposed="PRIVATE_KEY" lines />
      <div class="b-row">
        <Text label="Id of the key" value={at.kid} set={on('kid')} />
        <Text label="Address of the key set" value={at.jwks_url} set={on('jwks_url')} hint="if the server wants to be told it" />
      </div>
      {scopes(at, on)}
    </Fragment>
  ),
  oauth: ({ at, on }) => (
    <Fragment>
      <Text label="Client id" value={at.client_id} set={on('client_id')} field="oauth" />
      <Secret label="Client secret" value={at.client_secret} set={on('client_secret')} proposed="HUBSPOT_CLIENT_SECRET" />
      <Secret label="Refresh token" value={at.refresh_token} set={on('refresh_token')} proposed="HUBSPOT_REFRESH_TOKEN" />
    </Fragment>
  ),
  client_credentials: ({ at, on }) => (
    <Fragment>
      <Secret label="Consumer key" field="client_credentials" value={at.client_id} set={on('client_id')} proposed="SF_ID" />
      <Secret label="Consumer secret" value={at.client_secret} set={on('client_secret')} proposed="SF_SECRET" />
    </Fragment>
  ),
  refresh_token: ({ at, on }) => (
    <Fragment>
      <Secret label="Consumer key" field="refresh_token" value={at.client_id} set={on('client_id')} proposed="SF_ID" />
      <Secret label="Consumer secret" value={at.client_secret} set={on('client_secret')} proposed="SF_SECRET" />
      <Secret label="Refresh token" value={at.refresh_token} set={on('refresh_token')} proposed="SF_REFRESH_TOKEN" />
    </Fragment>
  ),
  jwt: ({ at, on }) => (
    <Fragment>
      <Secret label="Consumer key" field="jwt" value={at.client_id} set={on('client_id')} proposed="SF_ID" />
      <Text label="User that it acts for" value={at.user} set={on('user')} />
      <Secret label="Private key" value={at.key} set={on('key')} proposed="SF_KEY" lines />
    </Fragment>
  ),
};
