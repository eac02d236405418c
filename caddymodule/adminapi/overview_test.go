package adminapi

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/operate"
)

// TestOverviewOfWhatTheGatewayDid: the engine hands what it does to whom it is counted by.
func TestOverviewOfWhatTheGatewayDid(t *testing.T) {
	g, _, _ := operated(t)
	for range 2 { // copies, and then what nobody signed
		if status, body := g.Send("/hook/acme", leadOf(0)); status != 200 {
			t.Fatalf("status %d: %s", status, body)
		}
	}
	for range 3 {
		answer, err := g.Client().Post("http://gate.test/hook/acme", "application/json", strings.NewReader(leadOf(0)))
		if err != nil || answer.Body.Close() != nil || answer.StatusCode != 403 {
			t.Fatal(answer, err)
		}
	}
	var o operate.Overview
	ask(t, "GET", "/callgate/overview?window=hour", "").ok(&o)
	if o.Accepted != 6 || o.Window != "hour" || len(o.Destinations) != 2 || o.Store.Events != o.Accepted {
		t.Fatalf("%+v", o)
	}
	shutOut := slices.IndexFunc(o.Needs, func(n operate.Need) bool { return n.Kind == operate.NeedShutOut && n.Tenant == "acme" && n.Count == 3 })
	if want := []operate.RefusalCount{{Code: "signature_missing", Count: 3}}; o.Copies != 2 || !reflect.DeepEqual(o.Refused, want) || shutOut < 0 {
		t.Errorf("%d copies, refused %v, needs %+v", o.Copies, o.Refused, o.Needs)
	}
	for _, d := range o.Destinations {
		if d.Attempted == 0 || d.Succeeded != d.Delivered || d.Buried != d.Dead {
			t.Errorf("%+v", d)
		}
	}
	if got := ask(t, "GET", "/callgate/overview?window=year", ""); got.status != 400 {
		t.Errorf("%d: %s", got.status, got.body)
	}
}
