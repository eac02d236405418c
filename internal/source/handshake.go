package source

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"

	"github.com/callgate/callgate/internal/jsonscan"
)

// Reply is the answer to a handshake: a request by which a sender finds out whether an address is ours.
type Reply struct {
	// Header are the headers that the sender wants, besides the Content-Type.
	Header      http.Header
	ContentType string
	Body        []byte
}

// handshake is how a sender asks. Of most it is an event like others, signed like them; some ask before there is a secret.
type handshake struct {
	preset string
	// event is the type of the signed event that asks, and signed the answer; secret is the one that the event was signed
	// with.
	event  string
	signed func(d *document, secret string) (Reply, bool)
	// unsigned answers a request that no secret signs, by what it shows: nothing may come of it but the answer. token is
	// what the operator gave the sender to show.
	unsigned func(r *http.Request, token string) (Reply, bool)
}

// maxChallenge bounds what is sent back of a challenge, in bytes.
const maxChallenge = 1024

// handshakes are all that are known.
//
// Guessed: what each sender asks and wants for an answer is as it is generally known; the pages that are named were not opened.
var handshakes = []handshake{
	// docs.slack.dev/reference/events/url_verification: the challenge comes back as plain text.
	{preset: "slack", event: "url_verification", signed: func(d *document, _ string) (Reply, bool) {
		c := d.text("challenge")
		return Reply{ContentType: "text/plain; charset=utf-8", Body: []byte(c)}, echoable(c)
	}},
	// developers.zoom.us/docs/api/webhooks, "Validate your webhook endpoint": at first and every 72 hours, within 3 seconds.
	{preset: "zoom", event: "endpoint.url_validation", signed: func(d *document, secret string) (Reply, bool) {
		token := d.text("payload", "plainToken")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(token))
		b := append([]byte(`{"plainToken":`), jsonscan.AppendString(nil, token)...)
		b = append(b, `,"encryptedToken":"`+hex.EncodeToString(mac.Sum(nil))+`"}`...)
		return Reply{ContentType: "application/json", Body: b}, echoable(token)
	}},
	// developers.facebook.com/docs/graph-api/webhooks/getting-started, "Verification Requests": a GET with the token that was
	// typed in beside the address.
	{preset: "meta", unsigned: func(r *http.Request, token string) (Reply, bool) {
		if r.Method != http.MethodGet || token == "" {
			return Reply{}, false
		}
		q := r.URL.Query()
		challenge := q.Get("hub.challenge")
		ok := q.Get("hub.mode") == "subscribe" && subtle.ConstantTimeCompare([]byte(q.Get("hub.verify_token")), []byte(token)) == 1
		return Reply{ContentType: "text/plain; charset=utf-8", Body: []byte(challenge)}, ok && echoable(challenge)
	}},
	// developers.ringcentral.com/guide/notifications/webhooks/creating-webhooks: a POST without a body, whose header comes
	// back as it is. Events may have that header too; they have a body, and are none.
	{preset: "ringcentral", unsigned: func(r *http.Request, _ string) (Reply, bool) {
		token := r.Header.Get("Validation-Token")
		return Reply{Header: http.Header{"Validation-Token": {token}}}, r.Method == http.MethodPost && r.ContentLength == 0 && echoable(token)
	}},
}

// echoable reports whether a challenge may be sent back: it is not empty, short, and text of one line without what could be
// markup, since whoever asks chose it.
func echoable(s string) bool {
	if s == "" || len(s) > maxChallenge {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '<' || c == '>' || c == '"' || c == '&' {
			return false
		}
	}
	return true
}

// Handshakes reports whether the sender asks by a signed event whether an address is ours.
func (p *Preset) Handshakes(eventType string) bool {
	for i := range handshakes {
		if h := &handshakes[i]; h.preset == p.Name && h.signed != nil && h.event == eventType {
			return true
		}
	}
	return false
}

// Shake answers a signed event for which Handshakes holds. ok is false where there is nothing in it to answer.
func (p *Preset) Shake(r *Request, eventType, secret string) (reply Reply, ok bool) {
	for i := range handshakes {
		h := &handshakes[i]
		if h.preset != p.Name || h.signed == nil || h.event != eventType {
			continue
		}
		d := newDocument(r)
		defer d.release()
		if openObject(d, r) != nil {
			return Reply{}, false
		}
		return h.signed(d, secret)
	}
	return Reply{}, false
}

// Greet answers a request by which the sender asks before anything is signed; ok is false for every other request.
func (p *Preset) Greet(r *http.Request, token string) (reply Reply, ok bool) {
	for i := range handshakes {
		if h := &handshakes[i]; h.preset == p.Name && h.unsigned != nil {
			return h.unsigned(r, token)
		}
	}
	return Reply{}, false
}
