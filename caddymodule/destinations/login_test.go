package destinations

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	_ "github.com/callgate/callgate/caddymodule/stores"
	_ "github.com/callgate/callgate/caddymodule/verifiers"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// kindSecret is the value of every secret in these tests; it must not show up in an error, a log or a preview.
const kindSecret = "s3cr3t-of-a-destination"

// kind is a destination that was made from the lines of a Caddyfile.
type kind struct {
	destination.Destination
	module guest.Destination
	logs   *logtest.ObservedLogs
}

// newKind provisions "destination x <text>".
func newKind(t *testing.T, text string) kind {
	t.Helper()
	k, err := makeKind(t, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func makeKind(t *testing.T, text string, change func(*guest.DestinationOptions)) (kind, error) {
	t.Helper()
	t.Setenv("KIND_SECRET", kindSecret)
	t.Setenv("KIND_EMPTY", "")
	ctx, to, err := provision(t, "{\ncallgate {\ndestination x "+text+"\n}\n}\n")
	if err != nil {
		return kind{}, err
	}
	core, logs := logtest.New(zap.DebugLevel)
	o := guest.DestinationOptions{Name: "x", Resolve: secret.ResolveText, Timeout: delivery.DefaultTimeout, Logger: zap.New(core)}
	if change != nil {
		change(&o)
	}
	mod, err := ctx.LoadModuleByID("callgate.destinations."+to.Type, to.settings)
	if err != nil {
		t.Fatal(err)
	}
	module := mod.(guest.Destination)
	d, err := module.NewDestination(o)
	return kind{d, module, logs}, err
}

// to is what a configuration says about a destination's kind.
type to struct {
	Type     string
	settings json.RawMessage
}

// provision adapts a Caddyfile with a destination x and has the whole gateway work it out.
func provision(t *testing.T, config string) (caddy.Context, to, error) {
	t.Helper()
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return caddy.Context{}, to{}, err
	}
	var c caddy.Config
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	var app struct {
		Destinations struct {
			X struct {
				To map[string]json.RawMessage `json:"to"`
			} `json:"x"`
		} `json:"destinations"`
	}
	if err := json.Unmarshal(c.AppsRaw["callgate"], &app); err != nil {
		t.Fatal(err)
	}
	kind := to{}
	if err := json.Unmarshal(app.Destinations.X.To["type"], &kind.Type); err != nil {
		t.Fatal(err)
	}
	delete(app.Destinations.X.To, "type")
	if kind.settings, err = json.Marshal(app.Destinations.X.To); err != nil {
		t.Fatal(err)
	}
	c.Admin = &caddy.AdminConfig{Disabled: true}
	ctx, err := caddy.ProvisionContext(&c)
	return ctx, kind, err
}

// kindItem is the guide's call.
func kindItem() destination.Item {
	return destination.Item{
		DeliveryID: "dlv_1", EventID: "evt_1", Attempt: 1, Tenant: "abc-plumbing",
		Vars:       map[string]string{"owner_name": "ABC Plumbing"},
		ReceivedAt: time.Date(2026, 1, 1, 0, 0, 43, 0, time.UTC),
		Body:       []byte(`{"raw": 1}`), ContentType: "application/json",
		Call: &call.Call{
			Provider: "nextphone", EventType: "lead", ID: "call-1", FirstName: "Mike", LastName: "Johnson",
			Email: "mjohnson@email.com", Message: "leaky pipe in kitchen", CallerNumber: "+15559876543",
			ReceivingNumber: "+15551234567", EndedAt: time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC),
			Params: map[string]any{"address": "123 Main Street", "patient_id": "PT-10023"},
		},
	}
}

func (k kind) deliver(t *testing.T) destination.Result {
	t.Helper()
	return k.Deliver(t.Context(), []destination.Item{kindItem()})[0]
}

// delivered fails the test for any other outcome.
func (k kind) delivered(t *testing.T) {
	t.Helper()
	if r := k.deliver(t); r.Outcome != destination.Delivered || len(r.Warnings) > 0 {
		t.Fatalf("%+v", r)
	}
}

// preview is what would be sent, as JSON, in which no secret may be.
func (k kind) preview(t *testing.T) string {
	t.Helper()
	requests, err := k.Preview([]destination.Item{kindItem()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), kindSecret) {
		t.Errorf("the preview shows a secret: %s", b)
	}
	return string(b)
}

// warned reports whether a warning holds the text.
func (k kind) warned(text string) bool {
	for _, e := range k.logs.FilterLevelExact(zap.WarnLevel).All() {
		if strings.Contains(e.Message, text) {
			return true
		}
	}
	return false
}

// refusals are configurations that adapt and cannot work, with a part of the error.
func refusals(t *testing.T, all map[string]struct{ text, want string }) {
	t.Helper()
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			_, err := makeKind(t, c.text, nil)
			switch {
			case err == nil:
				t.Fatal("it was accepted")
			case !strings.Contains(err.Error(), c.want), !strings.Contains(err.Error(), "destination x:"):
				t.Errorf("error %v\nwant one about destination x with %q", err, c.want)
			case strings.Contains(err.Error(), kindSecret):
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func TestWaysToSignIn(t *testing.T) {
	r := standin.NewReceiver(t)
	pass := "http " + r.URL + " {\npass_through\n"
	for name, c := range map[string]struct{ lines, header, want, shown string }{
		"bearer":  {"bearer {env.KIND_SECRET}", "Authorization", "Bearer " + kindSecret, `"Authorization":["Bearer ***"]`},
		"basic":   {"basic me {env.KIND_SECRET}", "Authorization", "Basic bWU6czNjcjN0LW9mLWEtZGVzdGluYXRpb24=", `"Authorization":["Basic ***"]`},
		"api_key": {"api_key X-API-Key {env.KIND_SECRET}", "X-Api-Key", kindSecret, `"X-Api-Key":["***"]`},
		"header":  {"header X-Office {env.KIND_SECRET}", "X-Office", kindSecret, `"X-Office":["***"]`},
		"plain":   {"header X-Office north", "X-Office", "north", `"X-Office":["north"]`},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKind(t, pass+c.lines+"\n}")
			k.delivered(t)
			all := r.Requests()
			if got := all[len(all)-1].Header.Get(c.header); got != c.want {
				t.Errorf("%s: %q, want %q", c.header, got, c.want)
			}
			if shown := k.preview(t); !strings.Contains(shown, c.shown) {
				t.Errorf("previewed %s, want %s", shown, c.shown)
			}
			if k.logs.Len() > 0 {
				t.Errorf("logged %v", k.logs.All())
			}
		})
	}
}

func TestClientCredentials(t *testing.T) {
	tokens := standin.NewToken(t, standin.TokenConfig{ClientID: "gate", ClientSecret: kindSecret, NoBasic: true})
	r := standin.NewReceiver(t)
	k := newKind(t, "http "+r.URL+" {\npass_through\noauth2 {\ntoken_url "+tokens.URL+"/token\nclient_id gate\nclient_secret {env.KIND_SECRET}\nscope a b\nscope c\nparam audience https://x.example\nsecret_in form\n}\n}")
	k.preview(t)
	if tokens.Asked() != 0 {
		t.Error("a preview has fetched a token")
	}
	k.delivered(t)
	form := tokens.Forms()[0]
	if form.Get("scope") != "a b c" || form.Get("audience") != "https://x.example" || tokens.Asked() != 1 || !tokens.Valid(&http.Request{Header: r.Requests()[0].Header}) {
		t.Errorf("asked %v", form)
	}
}

func TestSecretsThatCanNotBe(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pass := "http https://a.example {\npass_through\n"
	refusals(t, map[string]struct{ text, want string }{
		"unset":             {pass + "bearer {env.KIND_UNSET}\n}", "bearer: "},
		"empty":             {pass + "bearer {env.KIND_EMPTY}\n}", "env.KIND_EMPTY"},
		"empty file":        {pass + "bearer {file." + empty + "}\n}", "is empty"},
		"no file":           {pass + "basic me {file." + dir + "/none}\n}", "basic: password: "},
		"braces in it":      {pass + "bearer \"abc{" + kindSecret + "}\"\n}", "braces that are no placeholder"},
		"two lines":         {pass + "bearer \"a\nb\"\n}", "bearer: not a usable header"},
		"colon in user":     {pass + "basic a:b {env.KIND_SECRET}\n}", "colon"},
		"header's name":     {pass + "api_key \"X Key\" {env.KIND_SECRET}\n}", "api_key: not a usable header"},
		"plain token url":   {pass + "oauth2 {\ntoken_url http://login.example/token\nclient_id a\nclient_secret {env.KIND_SECRET}\n}\n}", "oauth2: token_url: http://"},
		"no certificate":    {pass + "client_cert " + dir + "/a " + dir + "/b\n}", "client_cert: "},
		"empty certificate": {pass + "client_cert " + empty + " " + empty + "\n}", "two PEM files"},
		"empty authority":   {pass + "ca " + empty + "\n}", "no certificate in the file"},
	})
	k := newKind(t, pass+"bearer "+kindSecret+"\n}")
	if !k.warned("written in the configuration") || strings.Contains(k.logs.All()[0].Message, kindSecret) {
		t.Errorf("no warning about a literal secret, or one that holds it: %v", k.logs.All())
	}
}

// certificate writes a self-signed certificate for 127.0.0.1 and its key.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return writePEM(t, "CERTIFICATE", der), keyFile(t, k), pool
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func keyFile(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "PRIVATE KEY", der)
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCertificates(t *testing.T) {
	cert, key, clients := certificate(t)
	r := standin.NewTLSReceiver(t)
	r.TLS.ClientAuth, r.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
	ca := writePEM(t, "CERTIFICATE", r.Certificate().Raw)
	pass := "http " + r.URL + " {\npass_through\nca " + ca + "\n"
	newKind(t, pass+"client_cert "+cert+" "+key+"\n}").delivered(t)
	if got := newKind(t, pass+"}").deliver(t); got.Outcome == destination.Delivered {
		t.Error("delivered without the client's certificate")
	}
	if got := newKind(t, "http "+r.URL+" {\npass_through\nclient_cert "+cert+" "+key+"\n}").deliver(t); got.Outcome == destination.Delivered {
		t.Error("delivered to an unknown authority")
	}
}

func TestPrivateKeys(t *testing.T) {
	file := keyFile(t, rsaKey(t))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	t.Setenv("KIND_PEM", text)
	t.Setenv("KIND_PEM_ONE_LINE", strings.ReplaceAll(strings.TrimSpace(text), "\n", `\n`))
	o := guest.DestinationOptions{Resolve: secret.ResolveText, Logger: zap.NewNop()}
	for _, raw := range []string{file, "{env.KIND_PEM}", "{env.KIND_PEM_ONE_LINE}", "{file." + file + "}"} {
		if _, err := privateKey(o, "key", raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	t.Setenv("KIND_SECRET", kindSecret)
	for _, raw := range []string{"{env.KIND_SECRET}", "./none.pem", "{env.KIND_UNSET}", ""} {
		if _, err := privateKey(o, "key", raw); err == nil || strings.Contains(err.Error(), kindSecret) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestSeveralLoginsApplyTogether(t *testing.T) {
	a, _ := outbound.Bearer(kindSecret)
	b, _ := outbound.APIKey("X-Office", kindSecret)
	if together(nil, nil) != nil {
		t.Error("nothing is something")
	}
	both := together(nil, a, b)
	req, _ := http.NewRequest(http.MethodPost, "https://a.example", nil)
	if err := both.Apply(t.Context(), req); err != nil || req.Header.Get("Authorization") != "Bearer "+kindSecret || req.Header.Get("X-Office") != kindSecret {
		t.Errorf("%v, %v", req.Header, err)
	}
	both.Mask(req.Header)
	if req.Header.Get("Authorization") != "Bearer ***" || req.Header.Get("X-Office") != "***" || both.Rejected(t.Context(), req, 401, nil) {
		t.Errorf("masked %v", req.Header)
	}
}

// TestDigest signs in where the receiver asks for Digest, beside a key in a header of its own, and shows no password.
func TestDigest(t *testing.T) {
	s := standin.NewDigest(t, standin.DigestConfig{User: "gate", Password: kindSecret, QOP: "auth", Algorithms: []string{"SHA-256", "MD5"}})
	k := newKind(t, "http "+s.URL+"/jobs {\nbody `{\"phone\":\"{{caller_number}}\"}`\nheader X-Office {env.KIND_SECRET}\ndigest gate {env.KIND_SECRET}\n}")
	k.delivered(t)
	k.delivered(t)
	taken, refused := s.Taken()
	if len(taken) != 2 || refused != 1 || string(taken[1].Body) != `{"phone":"+15559876543"}` || taken[1].Header.Get("X-Office") != kindSecret {
		t.Errorf("%d taken, %d refused: %+v", len(taken), refused, taken)
	}
	if shown := k.preview(t); !strings.Contains(shown, `"Authorization":["Digest ***"]`) {
		t.Errorf("previewed %s", shown)
	}
	k = newKind(t, "http "+s.URL+"/jobs {\npass_through\nbasic gate {env.KIND_SECRET}\n}")
	if got := k.deliver(t); !got.Pause || !strings.Contains(got.Reason, "line digest") {
		t.Errorf("%+v", got)
	}
	refusals(t, map[string]struct{ text, want string }{
		"colon":       {"http https://a.example {\npass_through\ndigest a:b {env.KIND_SECRET}\n}", "digest: a colon"},
		"no password": {"http https://a.example {\npass_through\ndigest a {env.KIND_EMPTY}\n}", "digest: password: "},
	})
}
