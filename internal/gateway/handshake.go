package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// Secret is one of a plan's secrets, with a verifier that takes it alone: some handshakes are answered with the secret
// that the request was signed with.
type Secret struct {
	Text     string
	Verifier signature.Verifier
}

// greet answers what a sender asks before anything is signed. It reports whether the request was of that kind.
func (rq *Request) greet(w http.ResponseWriter) bool {
	if rq.plan == rq.route.Nobody {
		return false
	}
	reply, ok := rq.plan.Preset.Greet(rq.r, rq.plan.HandshakeToken)
	if ok {
		rq.reply(w, &reply)
	}
	return ok
}

// shake answers the signed event by which a sender finds out whether this address is ours. It reports whether the request
// was one that could be answered; others go the way of any event.
func (rq *Request) shake(w http.ResponseWriter) (done bool, refused *refusal) {
	if !rq.plan.Preset.Handshakes(rq.identity.EventType) {
		return false, nil
	}
	secret, found := rq.secret()
	if !found { // the time of the signature has run out just now; an answer without the secret would be a wrong one
		return false, signatureRefusal(signature.ErrTimestamp)
	}
	reply, ok := rq.plan.Preset.Shake(&rq.parsing, rq.identity.EventType, secret)
	if !ok {
		return false, nil
	}
	if refused := rq.charge(rq.plan.LimiterKey); refused != nil {
		return false, refused
	}
	rq.reply(w, &reply)
	return true, nil
}

// secret is the one that the request was signed with, where a handshake needs it; "" where it needs none.
func (rq *Request) secret() (text string, found bool) {
	if len(rq.plan.Secrets) == 0 {
		return "", true
	}
	now := time.Now()
	for _, s := range rq.plan.Secrets {
		if _, err := s.Verifier.Verify(&rq.message, now); err == nil || len(rq.plan.Secrets) == 1 {
			return s.Text, true
		}
	}
	return "", false
}

func (rq *Request) reply(w http.ResponseWriter, reply *source.Reply) {
	rq.outcome = handshaken
	h := w.Header()
	for name, values := range reply.Header {
		h[name] = values
	}
	if reply.ContentType != "" {
		h.Set("Content-Type", reply.ContentType)
		h.Set("X-Content-Type-Options", "nosniff")
	}
	h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(reply.Body) // a sender that is gone asks again
}
