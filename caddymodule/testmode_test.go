package caddymodule

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
)

// testModeConfig has an XML destination, one for another type of event, and one with a condition.
const testModeConfig = `{
	callgate {
		store sqlite STORE
		destination dispatch http %[1]s/dispatch {
			content_type application/xml
			body ` + "`<Call><Name>{{first_name}}</Name></Call>`" + `
		}
		destination bookings http %[1]s/bookings {
			on booking_*
			body ` + "`{}`" + `
		}
		destination oncall http %[1]s/oncall {
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	callgate nextphone ` + testSecret + ` {
		name NAME
		MODE
		%[2]s
	}
	respond 404
}`

type testAnswer struct {
	Status     string
	EventID    string `json:"event_id"`
	EventType  string `json:"event_type"`
	Deliveries []struct {
		Destination string
		Requests    []destination.Request
	}
	Skipped []struct{ Destination, Reason string }
	Nothing string
}

func TestTestModeSaysWhyNothingWouldBeDelivered(t *testing.T) {
	c := newCRM(t)
	for name, tt := range map[string]struct {
		deliver   string
		delivered string
		skipped   map[string]string
		nothing   string
	}{
		"one of three": {"deliver dispatch\ndeliver bookings\ndeliver oncall `call.urgent`", "dispatch",
			map[string]string{"bookings": "booking_* only", "oncall": "its condition is not met: call.urgent"}, ""},
		"none": {"deliver bookings\ndeliver oncall `call.urgent`", "",
			map[string]string{"bookings": "booking_* only", "oncall": "condition"}, "no destination takes this call"},
		"no deliver line": {"", "", nil, "deliver line"},
	} {
		t.Run(name, func(t *testing.T) {
			g := runGateway(t, strings.Replace(fmt.Sprintf(testModeConfig, c.URL, tt.deliver), "MODE", "test", 1))
			res, body := g.send("/", leadBody)
			var a testAnswer
			if err := json.Unmarshal([]byte(body), &a); err != nil || res.StatusCode != 200 || a.Status != "test" {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			if want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(leadBody))); a.EventID != want || a.EventType != "lead" { // which has no id
				t.Errorf("the event is said to be %q of type %q, want %q", a.EventID, a.EventType, want)
			}
			delivered := ""
			for _, d := range a.Deliveries {
				delivered += d.Destination
			}
			if delivered != tt.delivered || len(a.Skipped) != len(tt.skipped) || (a.Nothing == "") != (tt.nothing == "") || !strings.Contains(a.Nothing, tt.nothing) {
				t.Errorf("%s", body)
			}
			for _, s := range a.Skipped {
				if want := tt.skipped[s.Destination]; want == "" || !strings.Contains(s.Reason, want) {
					t.Errorf("%s is skipped since %q, want %q", s.Destination, s.Reason, want)
				}
			}
		})
	}
	c.nothingMore(t)
}

func TestTestModeShowsXMLAsXML(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, strings.Replace(fmt.Sprintf(testModeConfig, c.URL, "deliver dispatch"), "MODE", "test", 1))
	if _, body := g.send("/", leadBody); !strings.Contains(body, "<Call><Name>Mike</Name></Call>") {
		t.Errorf("answered %s", body)
	}
}

// Whoever turns test mode on sends a call again that came before, and wants to see what becomes of it.
func TestTestModeIgnoresRememberedAnswers(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, strings.Replace(fmt.Sprintf(testModeConfig, c.URL, "deliver dispatch"), "MODE", "", 1))
	if _, body := g.send("/", leadBody); !strings.Contains(body, `"accepted"`) {
		t.Fatalf("answered %s", body)
	}
	c.next(t)
	g.config = strings.Replace(g.config, "deliver dispatch", "deliver dispatch\ntest", 1)
	g.client.CloseIdleConnections()
	g.start() // which reloads
	for range 2 {
		g.sendUntil("/", leadBody, func(res *http.Response, answer string) bool {
			return res.Header.Get("Idempotency-Replayed") == "" && strings.Contains(answer, `"status": "test"`)
		})
	}
	c.nothingMore(t)
}
