package caddymodule

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/source"
)

// example is a directory under examples whose Caddyfile delivers calls.
type example struct {
	// lead is the payload of testdata/payloads that its page sends.
	lead string
	// documents are its copies of the guide's webhook documents.
	documents map[string]string
	// env is the environment that its page sets, but for what is random.
	env map[string]string
}

// kindSecret is the value of every secret in the examples; it must not show up in a preview.
const kindSecret = "s3cr3t-of-a-destination"

var examples = map[string]example{
	"hubspot": {
		lead: "nextphone-parameters.json", documents: map[string]string{"createHubSpotContact.json": "hubspot.json"},
		env: map[string]string{"HUBSPOT_TOKEN": "pat-na1-" + kindSecret},
	},
	"salesforce": {
		lead: "nextphone-parameters.json", documents: map[string]string{"createSalesforceLead.json": "salesforce.json"},
		env: map[string]string{"SF_INSTANCE": "https://acme.my.salesforce.com", "SF_CLIENT_ID": "3MVG9.example", "SF_CLIENT_SECRET": kindSecret},
	},
	"ehr-fhir": {
		lead: "nextphone-hipaa.json",
		env: map[string]string{
			"EHR_BASE": "https://ehr.example/fhir", "EHR_TOKEN_URL": "https://ehr.example/oauth2/token", "EHR_CLIENT_ID": "callgate",
			"CALLGATE_KEY": strings.Repeat("0123456789abcdef", 4),
		},
	},
	"legacy-dispatch-xml": {
		lead: "nextphone-parameters.json",
		env:  map[string]string{"DISPATCH_URL": "http://192.168.1.20/dispatch.asmx", "DISPATCH_PASSWORD": kindSecret, "PAGER_TOKEN": kindSecret},
	},
	"old-receiver": {
		lead: "nextphone-parameters.json",
		env:  map[string]string{"DISPATCH_URL": "https://dispatch.office.example/jobs", "DISPATCH_PASSWORD": kindSecret},
	},
	"chain": {lead: "nextphone-parameters.json", env: map[string]string{
		"CRM_TOKEN": kindSecret, "HUBSPOT_TOKEN": "pat-na1-" + kindSecret, "SF_INSTANCE": "https://acme.my.salesforce.com",
		"SF_CLIENT_ID": "3MVG9.example", "SF_CLIENT_SECRET": kindSecret,
	}},
	"custom-api": {
		lead: "nextphone-lead.json", documents: map[string]string{
			"customAPIIntegration.json": "custom-api.json", "submitLeadToCRM.json": "lead.json",
		},
		env: map[string]string{"API_KEY": kindSecret, "CRM_TOKEN": kindSecret, "CRM_SECRET": kindSecret},
	},
}

// load provisions the example from its own directory, as its page says.
func (e example) load(t *testing.T, name string) caddy.Context {
	t.Helper()
	for k, v := range e.env {
		t.Setenv(k, v)
	}
	t.Setenv("NEXTPHONE_SECRET", testSecret)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	if name == "ehr-fhir" {
		t.Setenv("EHR_KEY_FILE", keyFile(t))
	}
	t.Chdir(filepath.Join("..", "examples", name))
	text, err := os.ReadFile("Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(caddyfile.Format(text), text) {
		t.Error("caddy fmt would change the Caddyfile")
	}
	_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": "Caddyfile"})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("warnings %v, error %v", warnings, err)
	}
	ctx, err := provision(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// keyFile is a private key as an EHR's key set would have the other half of.
func keyFile(t *testing.T) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant, as in %s,\n%s", got, name, want)
	}
}

// TestExamplesSendWhatTheirPagesSay renders the lead of each page for each destination of its Caddyfile.
func TestExamplesSendWhatTheirPagesSay(t *testing.T) {
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			lead, err := os.ReadFile("../testdata/payloads/" + e.lead)
			if err != nil {
				t.Fatal(err)
			}
			file, err := filepath.Abs("../testdata/examples/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			parser, err := source.New("nextphone", source.Options{})
			if err != nil {
				t.Fatal(err)
			}
			record, err := parser.Parse(&source.Request{Body: lead})
			if err != nil {
				t.Fatal(err)
			}
			ctx := e.load(t, name)
			app, err := ctx.App("callgate")
			if err != nil {
				t.Fatal(err)
			}
			all := make(map[string][]destination.Request)
			for _, to := range slices.Sorted(maps.Keys(app.(*App).Destinations)) {
				c, err := app.(*App).Destinations[to].config(to, zap.NewNop(), nil)
				if err != nil {
					t.Fatal(err)
				}
				item := destination.Item{
					DeliveryID: "dlv_example", EventID: "evt_example", Attempt: 1, Call: record, Body: lead,
					ReceivedAt: time.Date(2026, 1, 1, 0, 0, 43, 0, time.UTC),
				}
				if c.Minimize != nil {
					item.Call = c.Minimize(record)
				}
				if all[to], err = c.Destination.Preview([]destination.Item{item}); err != nil {
					t.Fatalf("%s: %v", to, err)
				}
			}
			var b bytes.Buffer
			w := json.NewEncoder(&b)
			w.SetEscapeHTML(false)
			w.SetIndent("", "  ")
			if err := w.Encode(all); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), kindSecret) {
				t.Error("a secret is shown")
			}
			golden(t, file, b.Bytes())
		})
	}
}

// TestExamplesShowTheirRequests sends the lead of each page to its route for trying.
func TestExamplesShowTheirRequests(t *testing.T) {
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			lead, err := os.ReadFile("../testdata/payloads/" + e.lead)
			if err != nil {
				t.Fatal(err)
			}
			ctx := e.load(t, name)
			app, err := ctx.App("http")
			if err != nil {
				t.Fatal(err)
			}
			r := signed(t, nextphone, "http://localhost/try", string(lead))
			r.RequestURI = r.URL.RequestURI()
			w := httptest.NewRecorder()
			app.(*caddyhttp.App).Servers["srv0"].ServeHTTP(w, r)
			res := w.Result()
			answer := text(t, res)
			if res.StatusCode != http.StatusOK || !strings.Contains(answer, `"url"`) || strings.Contains(answer, kindSecret) {
				t.Errorf("%s\n%s", res.Status, answer)
			}
			r = httptest.NewRequest(http.MethodPost, "http://localhost/elsewhere", strings.NewReader(string(lead)))
			w = httptest.NewRecorder()
			app.(*caddyhttp.App).Servers["srv0"].ServeHTTP(w, r)
			if w.Code != http.StatusNotFound {
				t.Errorf("another path is answered %d", w.Code)
			}
		})
	}
}

// TestExamplesHoldTheGuidesDocuments keeps what the examples load the same as what the guide shows.
func TestExamplesHoldTheGuidesDocuments(t *testing.T) {
	seen := 0
	for name, e := range examples {
		for own, guide := range e.documents {
			seen++
			got, err := os.ReadFile(filepath.Join("../examples", name, own))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("../testdata/guide", guide))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s/%s is not the guide's %s", name, own, guide)
			}
		}
	}
	if seen != 4 {
		t.Errorf("%d of the guide's four documents", seen)
	}
}
