package gateway

import (
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/ratelimit"
)

// told is a witness that writes down what it is told.
type told []any

func (l *told) Refused(r Refused) { *l = append(*l, r) }
func (l *told) Copied(route, tenant, id string) {
	*l = append(*l, "copy of "+route+" "+tenant+" "+id)
}
func (l *told) Verified(source, route, tenant string) {
	*l = append(*l, "verified "+source+" "+route+" "+tenant)
}

func TestTheWitnessIsToldWhatBecameOfRequests(t *testing.T) {
	rt, next, carriedOut := testRoute(t), leads(t), 0
	var l told
	rt.Witness = &l
	first := next()
	body := bodyOfRequest(t, first)
	serve(t, rt, again(first, body), &carriedOut)
	verified := "verified nextphone test demo"
	if want := (told{verified}); !reflect.DeepEqual(l, want) {
		t.Errorf("a call: %v", l)
	}
	l = nil
	serve(t, rt, again(first, body), &carriedOut)
	if len(l) != 2 || l[0] != verified || !strings.HasPrefix(l[1].(string), "copy of test demo sha256:") {
		t.Errorf("a copy: %v", l)
	}
	l = nil
	changed := again(first, body)
	changed.Header.Set("X-Nextphone-Signature", strings.Repeat("0", 64))
	serve(t, rt, changed, &carriedOut)
	if want := (told{Refused{Source: "nextphone", Route: "test", Tenant: "demo", Code: "signature_invalid"}}); !reflect.DeepEqual(l, want) {
		t.Errorf("a wrong signature: %v", l)
	}
	l = nil
	serve(t, rt, httptest.NewRequest("POST", "/webhooks/nobody", strings.NewReader("{}")), &carriedOut)
	if want := (told{Refused{Source: "nextphone", Route: "test", Code: "unknown_tenant"}}); !reflect.DeepEqual(l, want) {
		t.Errorf("no tenant: %v", l)
	}
	l, rt.Plans["demo"].Limit = nil, &ratelimit.Limit{PerSecond: 1, Burst: 1}
	rt.Plans["demo"].Require = []string{"params.policy"}
	serve(t, rt, next(), &carriedOut)
	if want := (told{verified, Refused{Source: "nextphone", Route: "test", Tenant: "demo", Code: "field_missing", Verified: true}}); !reflect.DeepEqual(l, want) {
		t.Errorf("a field is missing: %v", l)
	}
}

// TestEveryEventOfACopyIsTold: a request with several events that comes again is a copy of each.
func TestEveryEventOfACopyIsTold(t *testing.T) {
	rt, _ := delivering(t, "generic")
	var l told
	rt.Witness = &l
	const batch = `[{"event_id":"m1","type":"a"},{"event_id":"m2","type":"a"}]`
	ask(t, rt, "POST", "", batch, bearer)
	l = nil
	ask(t, rt, "POST", "", batch, bearer)
	if len(l) != 3 || !strings.HasSuffix(l[1].(string), " m1") || !strings.HasSuffix(l[2].(string), " m2") {
		t.Errorf("%v", l)
	}
}
