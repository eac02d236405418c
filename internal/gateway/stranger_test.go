package gateway

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/ratelimit"
)

// TestStrangersAreLimitedByWhatIsRefused: an address that goes on being refused is not looked at any more, others are, and
// signed requests cost nothing of it.
func TestStrangersAreLimitedByWhatIsRefused(t *testing.T) {
	now := time.Now()
	rt := testRoute(t)
	rt.State.Strangers = ratelimit.New(100, func() time.Time { return now })
	rt.StrangerLimit = &ratelimit.Limit{PerSecond: 1, Burst: 3}
	number := 0
	send := func(address string, signed bool) Outcome {
		t.Helper()
		number++
		r := signedLead(t, t.Context(), fmt.Sprintf(`{"first_name":"Ann","n":%d}`, number))
		r.RemoteAddr = address
		if !signed {
			r.Header.Set("X-NextPhone-Signature", strings.Repeat("0", 64))
		}
		rq := rt.NewRequest(r)
		if err := rq.Serve(httptest.NewRecorder(), HandlerFunc(answersOK)); err != nil {
			t.Fatal(err)
		}
		return rq.outcome
	}
	for range 10 {
		if o := send("203.0.113.9:1", true); o != forwarded {
			t.Fatalf("a signed request is %s", o)
		}
	}
	for _, address := range []string{"203.0.113.9:1", "[2001:db8::1]:1"} {
		for range 3 {
			if o := send(address, false); o != signatureInvalid {
				t.Fatalf("within the limit: %s", o)
			}
		}
		if o := send(address, false); o != addressLimited {
			t.Errorf("over the limit: %s", o)
		}
	}
	if o := send("[2001:db8::2]:1", false); o != addressLimited {
		t.Errorf("another address of the same network: %s", o)
	}
	if o := send("203.0.113.10:1", true); o != forwarded {
		t.Errorf("another address: %s", o)
	}
	now = now.Add(2 * time.Second)
	if o := send("203.0.113.9:1", true); o != forwarded {
		t.Errorf("after it has waited: %s", o)
	}
	for _, address := range []string{"127.0.0.1:1", "10.0.0.1:1", "192.168.7.7:1", "100.64.1.1:1", "[fd00::1]:1"} {
		for range 5 {
			if o := send(address, false); o != signatureInvalid {
				t.Errorf("%s, where a proxy may stand: %s", address, o)
			}
		}
	}
}
