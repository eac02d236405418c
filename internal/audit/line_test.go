package audit

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func fullLeaf() *Leaf {
	return &Leaf{
		V: 1, Seq: 7, At: time.Date(2026, 3, 1, 12, 30, 0, 250e6, time.UTC), Kind: Attempt, Boot: "b1",
		Actor: Actor{Type: ActorUser, ID: "ann", Role: "operator", Via: "dashboard", IP: "192.0.2.1"}, Operation: "send_now",
		Tenant: "acme", Route: "/in", Source: "nextphone", Event: "evt", Delivery: "dlv", Attempt: 2, Version: 4,
		To:     []Recipient{{Name: "crm", Kind: "http", Host: "crm.example"}, {Name: "ehr"}},
		Fields: []string{"caller_number", "first_name"}, Bytes: 512, Sent: Commitment{1}, Count: 3, Outcome: OutcomeRetry, Status: 503,
		TookMS: 87, Reason: "the receiver answered 503", Config: "c1", Policy: PolicyAllowed, Why: `asked by "Bob"`, Subject: Commitment{2},
	}
}

const fullLine = `{"v":1,"seq":7,"at":"2026-03-01T12:30:00.250Z","kind":"attempt","boot":"b1",` +
	`"actor":{"type":"user","id":"ann","role":"operator","via":"dashboard","ip":"192.0.2.1"},"operation":"send_now",` +
	`"tenant":"acme","route":"/in","source":"nextphone","event":"evt","delivery":"dlv","attempt":2,"version":4,` +
	`"to":[{"name":"crm","kind":"http","host":"crm.example"},{"name":"ehr"}],"fields":["caller_number","first_name"],` +
	`"bytes":512,"sent":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","count":3,"outcome":"retry","status":503,"took_ms":87,` +
	`"reason":"the receiver answered 503","config":"c1","policy":"allowed","why":"asked by \"Bob\"",` +
	`"subject":"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`

func TestLineIsAsEver(t *testing.T) {
	if got := string(AppendLine(nil, fullLeaf())); got != fullLine {
		t.Errorf("the line is\n%s\nand was\n%s", got, fullLine)
	}
	small := &Leaf{At: time.Unix(0, 0), Kind: Stop, Actor: Actor{IP: "::1"}}
	const want = `{"v":1,"seq":0,"at":"1970-01-01T00:00:00.000Z","kind":"stop","actor":{"ip":"::1"}}`
	if got := string(AppendLine(nil, small)); got != want {
		t.Errorf("the line is %s", got)
	}
	l, err := ParseLine([]byte(fullLine))
	if err != nil || !reflect.DeepEqual(l, fullLeaf()) {
		t.Errorf("it reads back as %+v, %v", l, err)
	}
}

// TestAllOfALeafIsWritten: a member that is new in the struct and missing in the line would be lost.
func TestAllOfALeafIsWritten(t *testing.T) {
	var empty func(v reflect.Value, name string)
	empty = func(v reflect.Value, name string) {
		if v.IsZero() {
			t.Errorf("%s is empty in the leaf that has everything", name)
		}
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				empty(v.Field(i), name+"."+v.Type().Field(i).Name)
			}
		}
	}
	empty(reflect.ValueOf(*fullLeaf()), "Leaf")
	empty(reflect.ValueOf(fullLeaf().To[0]), "Recipient")
}

func TestTextsOfStrangersStayOneLine(t *testing.T) {
	for _, s := range []string{"a\nb", "\xff\xfe", "\u2028", "\x00", `"},"v":2`, "\ufffd", strings.Repeat("ä", MaxText), "x" + strings.Repeat("€", MaxText)} {
		l := &Leaf{At: time.Unix(1, 0), Kind: Replay, Why: s, Fields: []string{s}, To: []Recipient{{Name: s}}}
		line := AppendLine(nil, l)
		got, err := ParseLine(line)
		if err != nil || strings.ContainsAny(string(line), "\n\r") || len(got.Why) > MaxText {
			t.Errorf("%q is written as %s: %v", s, line, err)
		}
	}
}

func TestOnlyTheOneFormIsALine(t *testing.T) {
	for name, line := range map[string]string{
		"empty":          "",
		"no JSON":        `{"v":1,"seq":7,`,
		"a space":        strings.Replace(fullLine, `"seq"`, ` "seq"`, 1),
		"other order":    strings.Replace(fullLine, `"tenant":"acme","route":"/in"`, `"route":"/in","tenant":"acme"`, 1),
		"twice":          strings.Replace(fullLine, `"status":503`, `"status":200,"status":503`, 1),
		"unknown":        strings.Replace(fullLine, `"status"`, `"more":1,"status"`, 1),
		"other case":     strings.Replace(fullLine, `"status"`, `"Status"`, 1),
		"null":           strings.Replace(fullLine, `"status":503`, `"status":null`, 1),
		"escaped":        strings.Replace(fullLine, `acme`, `\u0061cme`, 1),
		"leading zero":   strings.Replace(fullLine, `"seq":7`, `"seq":07`, 1),
		"negative":       strings.Replace(fullLine, `"seq":7`, `"seq":-7`, 1),
		"other zone":     strings.Replace(fullLine, `00.250Z`, `00.250+00:00`, 1),
		"more follows":   fullLine + "{}",
		"a line feed":    fullLine + "\n",
		"a bad number":   strings.Replace(fullLine, `"status":503`, `"status":"503"`, 1),
		"short":          strings.Replace(fullLine, `"sent":"AQ`, `"sent":"A`, 1),
		"stray low bits": strings.Replace(fullLine, `AAA","count"`, `AAB","count"`, 1),
		"too long":       `{"v":1,"seq":7,` + strings.Repeat(" ", MaxLine),
	} {
		if l, err := ParseLine([]byte(line)); !errors.Is(err, ErrLine) {
			t.Errorf("%s: read as %+v, %v", name, l, err)
		}
	}
	_, err := ParseLine([]byte(`{"v":2,"seq":41,"new":true}`))
	if later, ok := errors.AsType[*VersionError](err); !ok || later.Seq != 41 || later.Version != 2 {
		t.Errorf("a later version is %v", err)
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(fullLine))
	f.Add([]byte(`{"v":2,"seq":41,"new":true}`))
	f.Add([]byte(`{"v":1,"seq":0,"at":"1970-01-01T00:00:00.000Z","kind":"\ufffd"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		l, err := ParseLine(line)
		if err != nil {
			return
		}
		if again := AppendLine(nil, l); string(again) != string(line) {
			t.Errorf("%q is written again as %q", line, again)
		}
	})
}

func FuzzAppendLine(f *testing.F) {
	f.Add("crm", "why\n", int64(5), int64(1_700_000_000_000))
	f.Fuzz(func(t *testing.T, name, why string, n, at int64) {
		l := &Leaf{At: time.UnixMilli(at % (1 << 47)), Kind: Kind(name), Why: why, Fields: []string{why, name}, To: []Recipient{{Name: name, Host: why}}, Bytes: n, Actor: Actor{ID: name}}
		line := AppendLine(nil, l)
		if _, err := ParseLine(line); err != nil {
			t.Errorf("what was written is not read: %q: %v", line, err)
		}
	})
}

func TestActorGoesWithTheContext(t *testing.T) {
	a := Actor{Type: ActorUser, ID: "ann"}
	if got := ActorOf(By(context.Background(), a)); got != a {
		t.Errorf("it is %+v", got)
	}
	if got := ActorOf(context.Background()); got != (Actor{}) {
		t.Errorf("nobody is %+v", got)
	}
}
