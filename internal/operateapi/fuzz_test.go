package operateapi

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzListing: whatever is sent, it is read or refused as a client's mistake.
func FuzzListing(f *testing.F) {
	f.Add(`{"tenant":"acme","state":"dead","from":"2026-01-31","to":"2026-02-01T00:00:00Z"}`, "tenant=acme&state=dead&limit=5")
	f.Add(`{"caller":"+15551234567","limit":500}`, "caller=%2B15551234567")
	f.Add(`{"all":true,"dry_run":true}`, "a=1&a=2")
	f.Add(`{"tenant":"\u0000"}{`, "%zz;")
	f.Fuzz(func(t *testing.T, body, query string) {
		get := httptest.NewRequest("GET", "/callgate/events", nil)
		get.URL.RawQuery = query
		post := httptest.NewRequest("POST", "/callgate/events", strings.NewReader(body))
		post.Header.Set("Content-Type", "application/json")
		l, err := readListing(httptest.NewRecorder(), get)
		if err == nil && (l.Caller != "" || l.Limit < 0) {
			t.Fatalf("%q became %+v", query, l)
		}
		_, posted := readListing(httptest.NewRecorder(), post)
		for _, err := range []error{err, posted} {
			if e, ok := err.(*Error); err != nil && (!ok || e.Status/100 != 4) {
				t.Fatalf("%T %v", err, err)
			}
		}
	})
}
