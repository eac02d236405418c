package pager_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	_ "github.com/callgate/callgate/caddymodule/standard"
	_ "github.com/callgate/callgate/examples/custom-destination"
)

const config = `{
	callgate {
		store sqlite STORE
		destination oncall pager URL {
			token {env.PAGER_TOKEN}
			number +15551234567
			length 40
			rate 100/10s
			retry 0s 20ms 20ms 20ms
		}
	}
}
http:// {
	bind SOCKET
	callgate nextphone ` + gatewaytest.Secret + ` {
		name NAME
		deliver oncall
	}
}
`

// TestAKindOfItsOwnDelivers: a guest module that nothing in the gateway names loads by its lines in a Caddyfile, and is
// delivered to, again after a failure too.
func TestAKindOfItsOwnDelivers(t *testing.T) {
	t.Setenv("PAGER_TOKEN", "s3cr3t")
	type page struct{ token, key, to, text string }
	pages := make(chan page, 10)
	var tries atomic.Int32
	pagers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		pages <- page{r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key"), r.FormValue("to"), r.FormValue("text")}
	}))
	defer pagers.Close()
	g := gatewaytest.Run(t, strings.Replace(config, "URL", pagers.URL, 1))
	status, answer := g.Send("/", `{"lead":{"first_name":"Mike","phone":"+15559876543","message":"leaky pipe in the kitchen"}}`)
	if status != http.StatusOK || !strings.Contains(answer, `"accepted"`) {
		t.Fatalf("status %d: %s", status, answer)
	}
	select {
	case got := <-pages:
		if got.token != "Bearer s3cr3t" || got.key == "" || got.to != "+15551234567" || got.text != "Mike +15559876543: leaky pipe in the kit" {
			t.Errorf("paged %+v", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was paged")
	}
}

// TestItsMistakesAreFoundLikeThoseOfAnyKind: it has the grammar, the suggestions and the places of all others.
func TestItsMistakesAreFoundLikeThoseOfAnyKind(t *testing.T) {
	for lines, want := range map[string]string{
		"nubmer 5":         "unrecognized subdirective 'nubmer'; did you mean number?, at Caddyfile:4",
		"concurency 1":     "did you mean concurrency?, at Caddyfile:4",
		"length many":      "'many' is not a whole number of at least 1, at Caddyfile:4",
		"token a\ntoken b": "token is given twice, at Caddyfile:5",
	} {
		text := "{\ncallgate {\ndestination oncall pager https://a.example {\n" + lines + "\n}\n}\n}\n"
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", lines, err, want)
		}
	}
}

// TestItIsPreviewed by a route in test mode, secrets masked.
func TestItIsPreviewed(t *testing.T) {
	t.Setenv("PAGER_TOKEN", "s3cr3t")
	g := gatewaytest.Run(t, strings.Replace(strings.Replace(config, "URL", "https://pager.example/send", 1), "deliver oncall", "deliver oncall\n\t\ttest", 1))
	status, answer := g.Send("/", `{"lead":{"first_name":"Mike","phone":"+15559876543","message":"hi"}}`)
	want := url.Values{"to": {"+15551234567"}, "text": {"Mike +15559876543: hi"}}.Encode()
	if status != http.StatusOK || !strings.Contains(answer, "https://pager.example/send") || !strings.Contains(strings.ReplaceAll(answer, `\u0026`, "&"), want) || strings.Contains(answer, "s3cr3t") {
		t.Errorf("status %d: %s", status, answer)
	}
}
