package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// shaking is a route of one tenant with a preset, which delivers nothing: what is not a handshake reaches nobody.
func shaking(t *testing.T, name string, scheme signature.Config, secrets ...string) *Route {
	t.Helper()
	rt := testRoute(t)
	preset, ok := source.Find(name)
	if !ok {
		t.Fatal(name)
	}
	p := rt.Plans["demo"]
	p.Preset, rt.Preset = preset, preset
	build := func(secrets ...string) signature.Verifier {
		scheme.Secrets = secrets
		v, err := signature.New(scheme)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	p.Verifier, p.Methods = build(secrets...), preset.Methods()
	for _, s := range secrets {
		p.Secrets = append(p.Secrets, Secret{s, build(s)})
	}
	var err error
	if p.Parser, err = source.New(name, source.Options{}); err != nil {
		t.Fatal(err)
	}
	return rt
}

func ask(t *testing.T, rt *Route, method, query, body string, header map[string]string) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	r := httptest.NewRequest(method, "/webhooks/demo"+query, strings.NewReader(body))
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	reached := false
	_ = rt.NewRequest(r).Serve(w, HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		reached = true
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	return w, reached
}

// versioned is the header of a signature as Slack and Zoom write it, made now.
func versioned(signed, timed, secret, body string) map[string]string {
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + at + ":" + body))
	return map[string]string{signed: "v0=" + hex.EncodeToString(mac.Sum(nil)), timed: at, "Content-Type": "application/json"}
}

// TestZoomsValidationIsAnswered has the token and the answer that Zoom publishes nowhere, computed from what it says, with
// the secret that the request was signed with.
func TestZoomsValidationIsAnswered(t *testing.T) {
	const body = `{"event":"endpoint.url_validation","event_ts":1,"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}`
	rt := shaking(t, "zoom", signature.Config{Scheme: "zoom"}, "the-next-token", "zoom-secret-token")
	w, reached := ask(t, rt, "POST", "", body, versioned("X-Zm-Signature", "X-Zm-Request-Timestamp", "zoom-secret-token", body))
	const want = `{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"d9e0d764a78494688ba3f2d5c0ed4ca311394b4834d959759213424d2df961e3"}`
	if w.Code != 200 || w.Body.String() != want || reached {
		t.Errorf("%d %s, %t", w.Code, w.Body, reached)
	}
	w, reached = ask(t, rt, "POST", "", body, versioned("X-Zm-Signature", "X-Zm-Request-Timestamp", "somebody-elses", body))
	if w.Code != 403 || strings.Contains(w.Body.String(), "encryptedToken") || reached {
		t.Errorf("with another's secret: %d %s, %t", w.Code, w.Body, reached)
	}
}

func TestSlacksChallengeIsAnswered(t *testing.T) {
	rt := shaking(t, "slack", signature.Config{Scheme: "slack"}, "s")
	for body, want := range map[string]string{
		`{"type":"url_verification","challenge":"3eZbrw1a"}`:                   "3eZbrw1a",
		`{"type":"url_verification","challenge":"<script>alert(1)</script>"}`:  "",
		`{"type":"event_callback","event_id":"E1","event":{"type":"message"}}`: "",
	} {
		w, reached := ask(t, rt, "POST", "", body, versioned("X-Slack-Signature", "X-Slack-Request-Timestamp", "s", body))
		if w.Body.String() != want || reached == (want != "") {
			t.Errorf("%s: %d %s, %t", body, w.Code, w.Body, reached)
		}
	}
}

func TestHandshakesBeforeAnythingIsSigned(t *testing.T) {
	meta := shaking(t, "meta", signature.Config{Scheme: "meta"}, "s")
	const q = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
	for _, c := range []struct {
		token, query string
		status       int
		body         string
	}{
		{"my-token", q + "my-token", 200, "1158201444"}, {"my-token", q + "another", 405, ""}, {"", q, 405, ""}, {"my-token", "", 405, ""},
	} {
		meta.Plans["demo"].HandshakeToken = c.token
		w, reached := ask(t, meta, "GET", c.query, "", nil)
		if w.Code != c.status || reached || c.body != "" && w.Body.String() != c.body || strings.Contains(w.Body.String(), "1158") && c.body == "" {
			t.Errorf("%q with %q: %d %s", c.query, c.token, w.Code, w.Body)
		}
	}
	rc := shaking(t, "ringcentral", signature.Config{Scheme: "bearer"}, "s")
	w, reached := ask(t, rc, "POST", "", "", map[string]string{"Validation-Token": "6a4f-1"})
	if w.Code != 200 || w.Header().Get("Validation-Token") != "6a4f-1" || reached {
		t.Errorf("RingCentral: %d %v", w.Code, w.Header())
	}
	// An event that has the header is an event, and is not let in by it.
	w, reached = ask(t, rc, "POST", "", `{"uuid":"1"}`, map[string]string{"Validation-Token": "6a4f-1"})
	if w.Code != 403 || reached {
		t.Errorf("an event with the header: %d, %t", w.Code, reached)
	}
}

// TestSyncEventsOfTheOperator: a type that the operator names is waited for like those that the preset knows.
func TestSyncEventsOfTheOperator(t *testing.T) {
	rt := testRoute(t)
	p := rt.Plans["demo"]
	p.Deliver, p.SyncEvents = []Target{{To: "crm"}}, []string{"lookup"}
	for typ, want := range map[string]bool{"lookup": true, "ended": false} {
		rq := &Request{route: rt, plan: p, identity: source.Identity{EventType: typ}}
		if rq.senderWaits() != want || rq.isAsync() == want {
			t.Errorf("%s: waits %t, stored %t", typ, rq.senderWaits(), rq.isAsync())
		}
	}
}
