package signature

import "time"

// Again makes a Signer for messages that come in signed for a Verifier of this package and go on to somebody who verifies
// signatures of ours. It takes off the header fields that carry a first signature or token, also those that the sender
// did not use: they are of no use to a receiver that knows another secret, and whoever knows several names for its header
// may prefer the old one, as Svix's libraries prefer svix-signature to webhook-signature. Fields of the time and of the id
// stay, since they say something without the signature too.
func Again(first Verifier, s Signer) Signer {
	names := carriers(first)
	if len(names) == 0 {
		return s
	}
	return &again{s, names}
}

type again struct {
	Signer
	drop []string
}

func (a *again) Sign(m *Message, id string, now time.Time) error {
	for _, name := range a.drop {
		delete(m.Header, name)
	}
	return a.Signer.Sign(m, id, now)
}

// carriers are the header fields in which a Verifier looks for a signature or a token. There are none where the body
// carries it, and for Verifiers of others.
func carriers(v Verifier) []string {
	if c, ok := v.(interface{ carriers() []string }); ok {
		return c.carriers()
	}
	return nil
}

func (h *hmacScheme) carriers() []string {
	if h.header == "" {
		return nil
	}
	return append([]string{h.header}, h.aliases...)
}

func (all standardScheme) carriers() (names []string) {
	for _, s := range all {
		names = append(names, s.header)
	}
	return names
}

func (q *quoScheme) carriers() []string { return append(carriers(q.now), q.legacy.header) }

// HubSpot sends the older signature beside v3, and a receiver may prefer it.
func (*hubspotScheme) carriers() []string { return []string{hubspotHeaderV3, hubspotHeader} }

func (*hubspotOld) carriers() []string { return []string{hubspotHeader, hubspotHeaderV3} }

func (t *twilioScheme) carriers() []string { return []string{t.header} }

func (*signalwireScheme) carriers() []string {
	return []string{signalwireHeader, signalwireSHA256Header, "X-Twilio-Signature"}
}

func (*telnyxScheme) carriers() []string { return []string{"Telnyx-Signature-Ed25519"} }

func (j *bodyJWT) carriers() []string { return []string{j.header} }

func (*ghlScheme) carriers() []string { return []string{ghlHeader, ghlOldHeader} }

func (*justcallScheme) carriers() []string { return []string{justcallHeader} }

func (*sinchScheme) carriers() []string { return []string{"Authorization"} }

func (*plivoScheme) carriers() []string { return []string{plivoHeader, plivoMainHeader} }

func (k *keyedScheme) carriers() []string { return k.hmacScheme.carriers() }

func (h *headerToken) carriers() []string { return []string{h.header} }

func (v *vapiHMACScheme) carriers() []string { return []string{v.plain.header, svixHeader} }

// Authorization is left: beside one of the other two it may well be meant for the receiver, and it is never preferred.
func (v *vapiScheme) carriers() []string { return append(v.hmac.carriers(), v.secret.header) }
