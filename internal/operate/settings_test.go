package operate

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestMaskSettingsShowsNoSecret(t *testing.T) {
	const settings = `{"to":{"type":"http","url":"https://user:s3cret@hooks.example:8443/services/T0/s3cret?key=s3cret","method":"POST","bearer":"{env.CRM_TOKEN}",
		"api_key":{"header":"X-API-Key","value":"s3cret"},"basic":{"user":"s3cret","password":"{file./run/s3cret}"},"headers":{"Authorization":"Bearer {env.OTHER}","X":"a{env.s3cret}s3cret"},
		"body":"s3cret","allow_http":true,"steps":[{"url":"https://x/s3cret"}],"oauth2":{"token_url":"https://login.example","scopes":["a","b"],"params":{"p":"s3cret"}}},
		"retry":[0,10000000000],"timeout":30000000000,"rate":"5/s","concurrency":4,"on":["call_*"],"hash_key":"s3cret","sign":{"scheme":"nextphone","secret":"s3cret"},"odd":null}`
	want := map[string]string{
		"concurrency": "4", "hash_key": "set, 6 characters", "odd": "set", "on": "call_*", "rate": "5/s", "retry": "0s, 10s", "sign.scheme": "nextphone", "sign.secret": "set, 6 characters",
		"timeout": "30s", "to.allow_http": "on", "to.api_key.header": "X-API-Key", "to.api_key.value": "set, 6 characters", "to.basic.password": "from a file", "to.basic.user": "set, 6 characters",
		"to.bearer": "$CRM_TOKEN", "to.body": "set, 6 characters", "to.headers.Authorization": "Bearer $OTHER", "to.headers.X": "set, 19 characters", "to.method": "POST",
		"to.oauth2.params.p": "set, 6 characters", "to.oauth2.scopes": "a, b", "to.oauth2.token_url": "https://login.example", "to.steps": "1 set", "to.type": "http", "to.url": "https://hooks.example:8443/…",
	}
	got := map[string]string{}
	for _, s := range MaskSettings([]byte(settings)) {
		got[s.Name] = s.Shown
		if strings.Contains(s.Name+s.Shown, "s3cret") || s.Masked != strings.Contains(s.Shown, "set") {
			t.Errorf("%+v", s)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwant\n%v", got, want)
	}
	if MaskSettings(nil) != nil || MaskSettings([]byte("{")) != nil {
		t.Error("what is no JSON has settings")
	}
}

func TestADestinationIsShownToThoseWhoseCallsGoThere(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.accept("acme")
		g.Service = New(Options{Store: g.store, Engine: g.engine, Settings: func(name string) Settings { return Settings{Kind: "http", List: []Setting{{Name: "of", Shown: name}}} }})
		if d, err := g.Destination(t.Context(), somebody, "crm"); err != nil || d.Name != "crm" || d.Delivered != 1 || d.Kind != "http" || d.List[0].Shown != "crm" {
			t.Errorf("%+v, %v", d, err)
		}
		if _, err := g.Destination(t.Context(), somebody, "crn"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "crm, log") {
			t.Error(err)
		}
		other := somebody
		other.Bound = func(Capability) ([]string, bool) { return []string{"beta"}, true }
		if _, err := g.Destination(t.Context(), other, "crm"); !errors.Is(err, ErrNotFound) || strings.Contains(err.Error(), "crm") {
			t.Error(err)
		}
	})
}
