// Signs and verifies webhooks with the vendors' own libraries.
//
//   node sdk.mjs sign|verify
//
// Reads a JSON array of {scheme, secret, url, content_type, body, headers} from standard input; bodies are in base64. With
// sign it prints the messages with the headers, and with the URL where the library says that it has to change. With verify
// it prints for each message "valid" or why the library refuses it.
import { readFileSync } from 'node:fs';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import Stripe from 'stripe';
import twilio from 'twilio';
import Retell from 'retell-sdk';
import * as octokit from '@octokit/webhooks-methods';
import { createHash, createHmac } from 'node:crypto';
import plivo from 'plivo';
import { AccessToken, WebhookReceiver } from 'livekit-server-sdk';

const stripe = new Stripe('sk_test_unused');

function standard(Webhook, prefix) {
  return {
    sign(m) {
      const now = new Date();
      const id = `msg_${m.index}_${now.getTime()}`;
      m.headers = {
        [`${prefix}id`]: id,
        [`${prefix}timestamp`]: String(Math.floor(now.getTime() / 1000)),
        [`${prefix}signature`]: new Webhook(m.secret).sign(id, now, m.body),
      };
    },
    verify(m) {
      new Webhook(m.secret).verify(m.body, m.headers);
    },
  };
}

function isForm(m) {
  return m.content_type === 'application/x-www-form-urlencoded';
}

// formParams gives the parameters as Express's body parser does: a name that comes twice has a list of values.
function formParams(body) {
  const params = {};
  for (const name of new Set(new URLSearchParams(body).keys())) {
    const values = new URLSearchParams(body).getAll(name);
    params[name] = values.length > 1 ? values : values[0];
  }
  return params;
}

function must(valid) {
  if (!valid) {
    throw new Error('the library says that the signature is not valid');
  }
}

const schemes = {
  'standard-webhooks': standard(StandardWebhook, 'webhook-'),
  svix: standard(SvixWebhook, 'svix-'),
  stripe: {
    sign(m) {
      m.headers = {
        'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: m.body, secret: m.secret }),
      };
    },
    verify(m) {
      stripe.webhooks.constructEvent(m.body, m.headers['stripe-signature'], m.secret);
    },
  },
  twilio: {
    sign(m) {
      if (!isForm(m)) {
        m.url += `${m.url.includes('?') ? '&' : '?'}bodySHA256=${twilio.getExpectedBodyHash(m.body)}`;
      }
      m.headers = {
        'x-twilio-signature': twilio.getExpectedTwilioSignature(m.secret, m.url, isForm(m) ? formParams(m.body) : {}),
      };
    },
    verify(m) {
      const signature = m.headers['x-twilio-signature'];
      must(isForm(m)
        ? twilio.validateRequest(m.secret, signature, m.url, formParams(m.body))
        : twilio.validateRequestWithBody(m.secret, signature, m.url, m.body));
    },
  },
  github: {
    async sign(m) {
      m.headers = { 'x-hub-signature-256': await octokit.sign(m.secret, m.body) };
    },
    async verify(m) {
      must(await octokit.verify(m.secret, m.body, m.headers['x-hub-signature-256']));
    },
  },
  retell: {
    async sign(m) {
      m.headers = { 'x-retell-signature': await Retell.sign(m.body, m.secret) };
    },
    async verify(m) {
      must(await Retell.verify(m.body, m.secret, m.headers['x-retell-signature']));
    },
  },
};

// plivoText is what Plivo signs. Its library verifies and does not sign, so that it has to agree with what is made here.
function plivoText(m) {
  const [base, query = ''] = m.url.split('?');
  const sorted = (text, equals, between) => [...new URLSearchParams(text)].map((p) => p.join(equals)).sort().join(between);
  const asked = sorted(query, '=', '&');
  return `${base}?${asked}${asked && '.'}${sorted(m.body, '', '')}`;
}

schemes.plivo = {
  sign(m) {
    const nonce = `nonce-${m.index}`;
    const signature = createHmac('sha256', m.secret).update(`${plivoText(m)}.${nonce}`).digest('base64');
    m.headers = { 'x-plivo-signature-v3': signature, 'x-plivo-signature-v3-nonce': nonce };
    this.verify(m);
  },
  verify(m) {
    must(plivo.validateV3Signature('POST', m.url, m.headers['x-plivo-signature-v3-nonce'], m.secret,
      m.headers['x-plivo-signature-v3'], formParams(m.body)));
  },
};

// The library wants the name of the key too.
const livekitKey = 'APIsdk';

schemes.livekit = {
  async sign(m) {
    const token = new AccessToken(livekitKey, m.secret, { ttl: '5m' });
    token.sha256 = createHash('sha256').update(m.body).digest('base64');
    m.headers = { authorization: await token.toJwt() };
  },
  async verify(m) {
    await new WebhookReceiver(livekitKey, m.secret).receive(m.body, m.headers.authorization);
  },
};

async function run(action, m) {
  m.body = Buffer.from(m.body, 'base64').toString();
  if (action === 'sign') {
    await schemes[m.scheme].sign(m);
    return { url: m.url, headers: m.headers };
  }
  try {
    await schemes[m.scheme].verify(m);
    return 'valid';
  } catch (e) {
    return e.message;
  }
}

const messages = JSON.parse(readFileSync(0));
const results = [];
for (const [index, m] of messages.entries()) {
  results.push(await run(process.argv[2], { ...m, index }));
}
process.stdout.write(JSON.stringify(results));
