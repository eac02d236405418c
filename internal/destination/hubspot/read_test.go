package hubspot

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
)

// A property that is asked for twice is an error to some versions of the API, and noise to the others.
func TestEachPropertyIsReadOnce(t *testing.T) {
	d, err := New(Config{Token: token, LeadStatus: "NEW", ContactProperty: "call_id", NoPhoneMatch: true})
	if err != nil {
		t.Fatal(err)
	}
	requests, err := d.Preview([]destination.Item{item(nil)})
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	for _, r := range requests {
		if !strings.HasSuffix(r.URL, "/batch/read") {
			continue
		}
		reads++
		if n := strings.Count(r.Body, `"email"`); n > 2 || n == 2 && !strings.Contains(r.Body, `"idProperty":"email"`) {
			t.Errorf("e-mail is asked for twice: %s", r.Body)
		}
	}
	if reads != 2 {
		t.Errorf("%d reads, want one by each property", reads)
	}
}
