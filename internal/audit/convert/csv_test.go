package convert

import (
	"encoding/csv"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

func sample() *audit.Leaf {
	return &audit.Leaf{
		V: 1, Seq: 7, At: time.Date(2026, 3, 1, 12, 30, 0, 250e6, time.UTC), Kind: audit.Attempt, Boot: "b1",
		Actor: audit.Actor{Type: audit.ActorUser, ID: "ann", Role: "operator", Via: "dashboard", IP: "192.0.2.1"}, Operation: "send_now",
		Tenant: "acme", Route: "/in", Source: "nextphone", Event: "evt", Delivery: "dlv", Attempt: 2, Version: 4,
		To:     []audit.Recipient{{Name: "crm", Kind: "http", Host: "crm.example:8443"}},
		Fields: []string{"caller_number", "first_name"}, Bytes: 512, Sent: audit.Commitment{1}, Count: 3, Outcome: audit.OutcomeRetry, Status: 503,
		TookMS: 87, Reason: "the receiver answered 503", Config: "c1", Policy: audit.PolicyAllowed, Why: "asked by Bob", Subject: audit.Commitment{2},
	}
}

func written(t *testing.T, leaves ...*audit.Leaf) [][]string {
	t.Helper()
	var b strings.Builder
	c, err := NewCSV(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		if err := c.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestCSVHasAllOfARecord(t *testing.T) {
	rows := written(t, sample(), &audit.Leaf{At: time.Unix(0, 0), Kind: audit.Stop})
	want := strings.Split("7|2026-03-01T12:30:00.250Z|attempt|b1|user|ann|operator|dashboard|192.0.2.1|send_now|acme|/in|nextphone|evt|dlv|2|4|crm|http|crm.example:8443|"+
		"caller_number; first_name|512|AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|3|retry|503|87|the receiver answered 503|c1|allowed|asked by Bob|AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "|")
	if len(rows) != 3 || !reflect.DeepEqual(rows[1], want) {
		t.Errorf("the rows are %q", rows)
	}
	names := strings.Join(rows[0], " ") + " "
	for f := range reflect.TypeFor[audit.Leaf]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "v" && !strings.Contains(names, name+" ") && !strings.Contains(names, name+"_") {
			t.Errorf("the member %s has no column", name)
		}
	}
	if got := strings.Join(rows[2], ""); got != "01970-01-01T00:00:00.000Zstop" {
		t.Errorf("what is empty is written as %q", rows[2])
	}
}

func TestCSVHoldsNoFormula(t *testing.T) {
	for _, bad := range []string{`=HYPERLINK("http://x")`, "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "＝1", "|x", "%x", "\ufeff=1", "\x00=1"} {
		l := &audit.Leaf{Kind: audit.Kind(bad), Tenant: bad, Why: bad, Fields: []string{bad}, To: []audit.Recipient{{Name: bad, Kind: bad, Host: bad}}, Actor: audit.Actor{ID: bad}}
		for i, cell := range written(t, l)[1] {
			if shown := strings.TrimSpace(cell); shown != "" && strings.ContainsAny(shown[:1], "=+-@|%\ufeff\x00") || strings.HasPrefix(shown, "＝") {
				t.Errorf("%q stands in the column %s as %q", bad, columns[i].name, cell)
			}
		}
	}
	minus := audit.Commitment{0xfb} // begins with a minus in base64url
	if cell := commitment(minus); cell != "'"+minus.String() || !strings.HasPrefix(minus.String(), "-") {
		t.Errorf("a commitment stands as %q", cell)
	}
	for _, plain := range []string{"acme", "a=b", "3", "it's -1", ""} {
		if text(plain) != plain {
			t.Errorf("%q was changed to %q", plain, text(plain))
		}
	}
}
