package salesforce

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
)

func jsonNumber(s string) json.Number { return json.Number(s) }

func TestTruncate(t *testing.T) {
	for _, tt := range []struct {
		in   string
		max  int
		want string
	}{
		{"", 5, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"äöü", 2, "äö"}, {"a😀b", 2, "a"}, {"a😀b", 3, "a😀"}, {"😀😀", 3, "😀"},
		{strings.Repeat("x", 300), 299, strings.Repeat("x", 298) + "…"},
		{strings.Repeat("😀", 200), 301, strings.Repeat("😀", 150) + "…"},
	} {
		got, cut := truncate(tt.in, tt.max)
		if got != tt.want || cut != (tt.in != tt.want) {
			t.Errorf("truncate(%.20q, %d) = %.20q (%d bytes), %v", tt.in, tt.max, got, len(got), cut)
		}
	}
}

func TestParseUsage(t *testing.T) {
	for header, want := range map[string]usage{
		"api-usage=18/5000": {18, 5000}, "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)": {17, 250},
		"api-usage=4900/5000;per-app-api-usage=1/250(appName=a;b)": {4900, 5000}, " api-usage = 1/2": {},
		"": {}, "api-usage=": {}, "api-usage=x/y": {}, "api-usage=1/0": {}, "api-usage=-1/5": {}, "api-usage=9999999999/5": {}, "other=1/2": {},
	} {
		got, ok := parseUsage(header)
		if got != want || ok != (want != usage{}) {
			t.Errorf("%q: %v, %v; want %v", header, got, ok, want)
		}
	}
	if w := (usage{90, 100}).warning(90); !strings.Contains(w, "90 of 100") {
		t.Errorf("no warning: %q", w)
	}
	if w := (usage{89, 100}).warning(90) + (usage{99, 100}).warning(-1); w != "" {
		t.Errorf("warning %q", w)
	}
}

func TestErrorMessages(t *testing.T) {
	for message, want := range map[string]string{
		"No such column 'Foo__c' on sobject of type Lead":                                                      "Foo__c",
		"\nSELECT Id FROM Lead\n^\nERROR at Row:1:Column:8\nNo such column 'MobilePhone' on entity 'Lead'. If": "MobilePhone",
		"Unable to create/update fields: IsConverted. Please check":                                            "IsConverted",
		"No such column '": "", "No such column '../x'": "", "something else": "",
	} {
		if got := unknownColumn(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
	for message, want := range map[string]int{
		"Last Name: data value too large: x (max length=80)":                   80,
		"Last Name: data value too large: x (max length=5) y) (max length=80)": 80,
		"(max length=-1)": 0, "(max length=": 0, "(max length=999999999999999999999)": 0, "": 0,
	} {
		if got := maxLength(message); got != want {
			t.Errorf("%q: %d, want %d", message, got, want)
		}
	}
}

func TestPhoneForms(t *testing.T) {
	got := phoneForms("+15559876543")
	for _, want := range []string{"+15559876543", "15559876543", "5559876543", "(555) 987-6543", "+1 555-987-6543", "555-987-6543", "555.987.6543"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not among %q", want, got)
		}
	}
	if got := phoneForms("555-1234"); len(got) != 1 {
		t.Errorf("a local number has the forms %q", got)
	}
}

func FuzzErrors(f *testing.F) {
	for _, s := range []string{
		`[{"message":"Required fields are missing: [LastName]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]}]`,
		`{"message":"x","errorCode":"A"}`, `[]`, `[null]`, `"x"`, `<html>`,
		`[{"errorCode":"JSON_PARSER_ERROR","message":"Cannot deserialize instance of date from VALUE_STRING value x or request may be missing a required field at [line:1, column:22]"}]`,
		`[{"errorCode":"DUPLICATES_DETECTED","duplicateResut":{"matchResults":[{"matchRecords":[{"record":{"attributes":{"type":"Lead","url":"/x/00Q000000000001"}}}]}]}}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		errs := parseErrors(body)
		if len(errs) > maxErrors {
			t.Errorf("%d errors", len(errs))
		}
		for _, e := range errs {
			if !isCode(e.Code) {
				t.Errorf("code %q", e.Code)
			}
			for _, n := range e.Fields {
				if !fieldName.MatchString(n) {
					t.Errorf("field %q", n)
				}
			}
			values := []value{{"A__c", "x", false}, {"B__c", "7", true}, {"C__c", string(body), false}}
			for _, v := range misfits(values, e.Message) {
				if !strings.Contains(normal(e.Message), normal(v.text)) {
					t.Errorf("%s is left out for what is not in the message", v.name)
				}
			}
			if at := column(e.Message); at < 0 {
				t.Errorf("column %d", at)
			} else if _, ok := valueAt(values, at); at == 0 && !ok {
				t.Error("a record has no first value")
			}
			ids, types := e.Duplicate.matches("Lead")
			for _, id := range ids {
				if !isID(id) {
					t.Errorf("id %q", id)
				}
			}
			for _, n := range types {
				if !fieldName.MatchString(n) {
					t.Errorf("type %q", n)
				}
			}
			if maxLength(e.Message) < 0 {
				t.Error("negative length")
			}
		}
		res := verdict(400, errs)
		if res.Reason == "" || strings.ContainsAny(res.Reason, "\n\r") {
			t.Errorf("reason %q", res.Reason)
		}
		readReply(200, body)
		if rows, ok := readRows(body, 1); ok && len(rows) != 1 {
			t.Error("rows")
		}
		readComposite(body, refRecord)
	})
}

func FuzzUsage(f *testing.F) {
	f.Add("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)")
	f.Fuzz(func(t *testing.T, header string) {
		if u, ok := parseUsage(header); ok && (u.used < 0 || u.allowed <= 0) || !ok && u != (usage{}) {
			t.Errorf("%q: %v, %v", header, u, ok)
		}
	})
}

// FuzzLiteral reads a literal back as the SOQL reference says, and finds nothing behind its end.
func FuzzLiteral(f *testing.F) {
	for _, s := range []string{"a", `'`, `\'`, "\n\x00", `x' OR Name != '`, "\xff", `\u0027`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lit := string(appendLiteral(nil, s))
		var back strings.Builder
		i := 1
		for ; i < len(lit)-1; i++ {
			c := lit[i]
			if c == '\'' || c < 0x20 {
				t.Fatalf("%q: %q at %d is not escaped", lit, c, i)
			}
			if c != '\\' {
				back.WriteByte(c)
				continue
			}
			i++
			switch lit[i] {
			case '\'', '\\':
				back.WriteByte(lit[i])
			case 'n':
				back.WriteByte('\n')
			case 'r':
				back.WriteByte('\r')
			case 't':
				back.WriteByte('\t')
			case 'u':
				back.WriteByte(unhex(lit[i+3])<<4 | unhex(lit[i+4]))
				i += 4
			default:
				t.Fatalf("%q: unknown escape %q", lit, lit[i])
			}
		}
		if lit[0] != '\'' || i != len(lit)-1 || lit[i] != '\'' {
			t.Fatalf("%q does not end where it should", lit)
		}
		if want := string([]rune(s)); back.String() != want {
			t.Errorf("%q reads as %q", lit, back.String())
		}
	})
}

func unhex(c byte) byte { return byte(strings.IndexByte(hexDigits, c)) }

func FuzzString(f *testing.F) {
	for _, s := range []string{"a", `"\`, "\x00\n\u2028", "\xff\xfe😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(jsonscan.AppendString(nil, s), &back); err != nil || back != string([]rune(s)) {
			t.Errorf("%q reads as %q, %v", s, back, err)
		}
		for _, limit := range []int{1, 2, 40, 300} {
			cut, _ := truncate(back, limit)
			if n := len(utf16.Encode([]rune(cut))); n > limit || !utf8.ValidString(cut) {
				t.Errorf("%q cut to %d is %d long", s, limit, n)
			}
		}
		if seg := escapeSegment(s); strings.ContainsAny(seg, "/?#&=+ ") || seg == ".." {
			t.Logf("segment %q", seg)
			if seg != ".." {
				t.Errorf("segment %q", seg)
			}
		}
	})
}
