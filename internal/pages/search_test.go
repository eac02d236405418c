package pages

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

func TestSearchesAreReadAsTheyAreMeant(t *testing.T) {
	const id = "01JC0Q4Z6W5P9G2N8S3T7V1X0Y"
	for text, want := range map[string]string{
		"":                                "",
		"state:dead tenant:acme":          "state=dead tenant=acme",
		"STATE:dead":                      "state=dead",
		`reason:"no handler" dest:crm`:    "reason=no handler destination=crm",
		`since:"yesterday 08:00"`:         "from=yesterday 08:00",
		"dead":                            "state=dead",
		"waiting":                         "state=pending",
		"state:waiting":                   "state=pending",
		strings.ToLower(id):               "event=" + id,
		id + ".2":                         "delivery=" + id + ".2",
		"+1 555 987 6543":                 "caller=+1 555 987 6543",
		"(555) 987-6543":                  "call_id=(555) call_id=987-6543",
		"+15559876543 tenant:acme":        "tenant=acme caller=+15559876543",
		"call-abc":                        "call_id=call-abc",
		"http://x":                        "call_id=http://x",
		"field:patient_id value:PT-10023": "field=patient_id value=PT-10023",
	} {
		terms, err := parseSearch(text)
		var got []string
		for _, x := range terms {
			got = append(got, x.member+"="+x.value)
		}
		if text == "(555) 987-6543" {
			if len(terms) != 1 || terms[0].member != "caller" {
				t.Errorf("%q: %v, %v", text, terms, err)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"tenant:a tenant:b": "stands twice", "tenant:": "tenant has no value", `reason:""`: "has no value", "one two": "stands twice",
		strings.Repeat("x ", 20): "too many words",
	} {
		if _, err := parseSearch(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestWhatACallerSaidIsInNoAddress: it is sealed for who searches, and shown to nobody.
func TestWhatACallerSaidIsInNoAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		id := d.accept("acme")
		d.accept("beta")
		to := d.post("vera", "events/search", url.Values{"q": {"tenant:acme +1 (555) 987-6543"}}).header.Get("Location")
		u, err := url.Parse(to)
		if err != nil || u.Path != "/ops/events" || u.Query().Get("q") != "tenant:acme" || len(u.Query().Get("with")) < 40 {
			t.Fatalf("%s, %v", to, err)
		}
		got := d.as("vera", to)
		if !strings.Contains(got.body, id) || !says(t, got, "caller +1 ••• ••• 6543") || found(got.body) != "" {
			t.Error(text(t, got.body))
		}
		// Searching on keeps it, and a new number takes its place.
		if on := d.post("vera", "events/search", url.Values{"q": {"state:dead"}, "with": {u.Query().Get("with")}}).header.Get("Location"); !strings.Contains(on, "with=") {
			t.Errorf("%s has lost the caller", on)
		}
		if other := d.follow("vera", "events/search", url.Values{"q": {"+15550000000"}, "with": {u.Query().Get("with")}}); strings.Contains(other.body, id) || !says(t, other, "0000") {
			t.Error(text(t, other.body))
		}
		for name, status := range map[string]int{"vera": 200, "otto": 400} {
			if got := d.as(name, to); got.status != status {
				t.Errorf("%s: %d", name, got.status)
			}
		}
		for _, typed := range []string{"caller:+15559876543", "+15559876543", "value:PT-1 field:patient_id"} {
			if got := d.as("vera", "events?q="+url.QueryEscape(typed)); got.status != 400 || !says(t, got, "must not stand in an address") {
				t.Errorf("%q: %d %s", typed, got.status, text(t, got.body))
			}
		}
		if got := d.follow("vera", "events/search", url.Values{"q": {"555 987 6543"}}); got.status != 400 || !says(t, got, "with its country") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
		if got := d.post("vera", "events/search", url.Values{"q": {strings.ToLower(id)}}); got.header.Get("Location") != "/ops/events/"+id {
			t.Errorf("an id leads to %s", got.header.Get("Location"))
		}
		time.Sleep(searchKept + time.Minute)
		if got := d.as("vera", to); got.status != 400 || !says(t, got, "search again") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

func TestTimesAreTheReaders(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		q := &request{ui: d.ui, r: nil}
		zone := time.FixedZone("UTC+5", 5*60*60)
		f, _, err := q.filter(&search{terms: []term{{"since", "from", "today"}, {"failed", "failed_since", "2h"}}, zone: zone})
		if err != nil || f.From != "1999-12-31T19:00:00Z" || f.FailedSince != "1999-12-31T22:00:00Z" {
			t.Errorf("%+v, %v", f, err)
		}
		to := d.post("vera", "events/search", url.Values{"q": {"since:today"}, "zone": {"America/New_York"}}).header.Get("Location")
		if to != "/ops/events?q=since%3Atoday&zone=America%2FNew_York" {
			t.Error(to)
		}
		for _, name := range []string{"", "Local", "nowhere", "../../etc/passwd", strings.Repeat("x", 100)} {
			if got := zoneOf(name); got != time.UTC {
				t.Errorf("%q is %v", name, got)
			}
		}
		if got := d.as("vera", "events?q=since:tea"); got.status != 400 || !says(t, got, "It is not a time") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

func TestListsHavePages(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for range eventRows + 3 {
			d.accept("acme")
		}
		for _, list := range []string{"events", "deliveries?q="} {
			page := d.as("vera", list)
			seen := strings.Count(page.body, "<tr>")
			for hops := 0; ; hops++ {
				i := slices.IndexFunc(links(page.body), func(l string) bool { return strings.Contains(l, "before=") })
				if i < 0 || hops > 5 {
					break
				}
				page = d.as("vera", links(page.body)[i])
				seen += strings.Count(page.body, "<tr>")
				if !strings.Contains(page.body, ">Newest</a>") || strings.Contains(page.body, "data-live=") {
					t.Error("a later page has no way back, or follows what is new")
				}
			}
			want := eventRows + 3 + 2 // the heads of two pages
			if list != "events" {
				want = 2*(eventRows+3) + 3
			}
			if seen != want {
				t.Errorf("%s: %d rows, want %d", list, seen, want)
			}
		}
		if got := d.as("vera", "events?before=nonsense"); got.status == 500 {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

func FuzzSearch(f *testing.F) {
	for _, s := range []string{`state:dead "a b" reason:"x y"`, "+1 555", ":", `"`, "caller:\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := parseSearch(text)
		if err != nil {
			return
		}
		// What is written again is read as the same.
		s := &search{terms: terms}
		again, err := parseSearch(s.public())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, s.public(), err)
		}
		var kept []term
		for _, x := range terms {
			if !x.private() {
				kept = append(kept, x)
			}
		}
		if !slices.EqualFunc(kept, again, func(a, b term) bool { return a.member == b.member && a.value == b.value }) {
			t.Fatalf("%q: %+v, written and read again %+v", text, kept, again)
		}
		var filter operate.Filter
		for _, x := range terms {
			if filter.Parameter(x.member) == nil {
				t.Fatalf("%s is no member", x.member)
			}
		}
	})
}
