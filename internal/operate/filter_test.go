package operate

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/strictjson"
)

func TestACallerIsLookedForUnderEveryKey(t *testing.T) {
	one, two := strings.Repeat("01", 32), strings.Repeat("02", 32)
	old, err := seal.ParseRing(one)
	if err != nil {
		t.Fatal(err)
	}
	both, err := seal.ParseRing(two, one)
	if err != nil {
		t.Fatal(err)
	}
	f := Filter{Caller: "+1 (555) 123-4567", Tenant: "acme"}
	const number = "+15551234567"
	for name, tt := range map[string]struct {
		ring *seal.Ring
		want []string
	}{
		"no key":   {nil, []string{number}},
		"one key":  {old, []string{old.CallerHash(number), number}},
		"two keys": {both, []string{both.CallerHash(number), old.CallerHash(number), number}},
	} {
		got, err := f.compile(func(n string) []string { return CallerHashes(tt.ring, n) }, tt.ring.FieldHashes)
		if err != nil || len(got) != len(tt.want) {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		for i := range got {
			if want := (store.Filter{Tenant: "acme", CallerHash: tt.want[i]}); !reflect.DeepEqual(got[i], want) {
				t.Errorf("%s: %+v, want %+v", name, got[i], want)
			}
		}
	}
}

func TestPagesOfSeveralFiltersAreOneListing(t *testing.T) {
	rows := map[string][]string{"a": {"9", "5", "2"}, "b": {"8", "4"}, "c": nil}
	list := func(f store.Filter, p store.Page) (out []string, err error) {
		for _, r := range rows[f.CallerHash] {
			if (p.Before == "" || r < p.Before) && len(out) < p.Limit {
				out = append(out, r)
			}
		}
		return out, nil
	}
	filters := []store.Filter{{CallerHash: "a"}, {CallerHash: "b"}, {CallerHash: "c"}}
	var pages []string
	for before := ""; ; {
		got, more, err := listPages(filters, store.Page{Before: before, Limit: 2}, list, func(s *string) string { return *s })
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, strings.Join(got, ""))
		if !more {
			break
		}
		before = got[len(got)-1]
	}
	if s := strings.Join(pages, " "); s != "98 54 2" {
		t.Errorf("pages %s", s)
	}
}

func TestCallersAreWrittenWithTheirCountry(t *testing.T) {
	for in, want := range map[string]string{
		"+15551234567": "+15551234567", "+1 555 123-4567": "+15551234567", "+44 20 7946 0958": "+442079460958",
		"tel:+1-555-123-4567": "+15551234567",
		"5551234567":          "",         // of whichever country
		"555-1234":            "555-1234", // as records keep a local number
		"anonymous":           "", "x": "",
	} {
		got, err := callerNumber(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

// FuzzFilter: whatever is asked for, it is either refused as a mistake of who asked, or matches nothing that its members do
// not name.
func FuzzFilter(f *testing.F) {
	f.Add(`{"tenant":"acme","state":"dead","from":"2026-01-31","to":"2026-02-01T00:00:00Z"}`)
	f.Add(`{"caller":"+15551234567","limit":500}`)
	f.Add(`{"field":"patient_id","value":"PT-1"}`)
	f.Add(`{"all":true,"dry_run":true}`)
	f.Add(`{"from":"0001-01-01T00:00:00Z","to":"9999-12-31T23:59:59+23:59"}`)
	f.Add(`{"tenant":"\u0000"}{`)
	f.Fuzz(func(t *testing.T, body string) {
		var l Listing
		if strictjson.Decode([]byte(body), &l) == nil {
			filters, err := l.compile(func(n string) []string { return []string{"hash", n} }, func(string, string) [][16]byte { return [][16]byte{{1}, {2}} })
			for _, f := range filters {
				if f.Tenant != l.Tenant || f.Destination != l.Destination || string(f.State) != l.State || f.EventID != l.Event ||
					f.DeliveryID != l.Delivery || f.CallID != l.CallID || (f.CallerHash == "") != (l.Caller == "") || (f.Subject == store.Subject{}) != (l.Value == "") ||
					f.From.IsZero() != (l.From == "") || f.To.IsZero() != (l.To == "") || f.FailedSince.IsZero() != (l.FailedSince == "") {
					t.Fatalf("%+v became %+v", l, f)
				}
				for _, at := range []time.Time{f.From, f.To, f.FailedSince} {
					if !at.IsZero() && !time.Unix(0, at.UnixNano()).Equal(at) {
						t.Fatalf("%s cannot be stored", at)
					}
				}
			}
			if err == nil && len(filters) == 0 {
				t.Fatalf("%+v has become no filter at all", l)
			}
			if err != nil && !errors.Is(err, ErrBadRequest) {
				t.Fatalf("%T %v", err, err)
			}
			if err := l.settle(); err == nil && (l.Limit < 1 || l.Limit > MaxRows) || err != nil && !errors.Is(err, ErrBadRequest) {
				t.Fatalf("limit %d, %v", l.Limit, err)
			}
		}
		var s Selection
		if strictjson.Decode([]byte(body), &s) == nil && s.check() == nil {
			if everything := (s.Filter == Filter{}); everything != s.All {
				t.Fatalf("%+v would erase everything", s)
			}
		}
	})
}
