package call

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNormalizeNumber(t *testing.T) {
	for _, c := range []struct{ raw, region, want string }{
		{"+15559876543", "", "+15559876543"},
		{"(555) 987-6543", "", "+15559876543"},
		{"555.987.6543", "US", "+15559876543"},
		{"1-555-987-6543", "", "+15559876543"},
		{"15559876543", "", "+15559876543"},
		{"+1 555-987-6543 ext. 12", "", "+15559876543"},
		{"tel:+1-555-987-6543", "", "+15559876543"},
		{"tel:987-6543;phone-context=+1555", "", "+15559876543"},
		{"sip:+15559876543@carrier.example;user=phone", "", "+15559876543"},
		{`"Mike" <sip:+15559876543@carrier.example>`, "", "+15559876543"},
		{"whatsapp:+15559876543", "", "+15559876543"},
		{"my cell is 555-987-6543 thanks", "", "+15559876543"},
		{"+35319605860", "", "+35319605860"},
		{"353 1 960 5860", "IE", "+35319605860"},
		{"030 1234567", "DE", "+49301234567"},
		{"4915112345678", "US", "+4915112345678"},
		{"0044 20 7946 0958", "US", "+442079460958"},
		{"+1 234-567-8901", "", "+12345678901"},
		{"\u202a+1 555 987 6543\u202c", "", "+15559876543"}, // as copied from a telephone's contacts
		{"\"Mike\" <sip:+15559876543@carrier.example>;tag=1928301774", "", "+15559876543"},

		{"", "", ""},
		{"anonymous", "", ""},
		{"Restricted", "", ""},
		{"+266696687", "", ""},
		{"sip:anonymous@anonymous.invalid", "", ""},
		{"sip:alice@example.com", "", ""},
		{"sip:10.0.0.1", "", ""},
		{"client:15559876543", "", ""},
		{"555-1234", "", ""},
		{"555-987-6543 or 555-123-4567", "", ""},
		{"1-800-FLOWERS", "", ""},
		{"06 12 34 56 78", "US", ""},             // no area code begins with 0
		{"(123) 456-7890", "US", "+11234567890"}, // nor with 1, but every form is tried with it
		{"0000000000", "", ""},
		{"000000", "CC", ""},
		{strings.Repeat("5", 300), "", ""},
	} {
		got, ok := NormalizeNumber(c.raw, c.region)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%q in %q: got %q, %t, want %q", c.raw, c.region, got, ok, c.want)
		}
	}
}

func TestKeepNumberLosesNoNumberThatCanBeDialled(t *testing.T) {
	for _, c := range []struct{ raw, number, extension string }{
		{"(555) 987-6543 x12", "+15559876543", "12"},
		{"tel:+15559876543;ext=7", "+15559876543", "7"},
		{"555-1234", "555-1234", ""},
		{"911", "911", ""},
		{"06 12 34 56 78", "06 12 34 56 78", ""},
		{"1-800-555-FLOWERS", "1-800-555-FLOWERS", ""},
		{"anonymous", "", ""},
		{"sip:alice@example.com", "", ""},
		{"ask Bob", "", ""},
		{"555-987-6543 or 555-123-4567", "555-987-6543 or 555-123-4567", ""},
	} {
		n, ext := KeepNumber(c.raw, "")
		if n != c.number || ext != c.extension {
			t.Errorf("%q: got %q and %q, want %q and %q", c.raw, n, ext, c.number, c.extension)
		}
	}
}

func TestValidRegion(t *testing.T) {
	for region, want := range map[string]bool{"": true, "US": true, "DE": true, "us": false, "XX": false, "USA": false} {
		if got := ValidRegion(region); got != want {
			t.Errorf("%q: got %t", region, got)
		}
	}
}

// FuzzNumber: a number that is read is E.164, reads as itself again, and what is kept is a number with digits.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"+15559876543", "(555) 987-6543 ext. 5", "sip:+1%35@x;y", "tel:1;phone-context=+1;ext=9", "anonymous", "<<>>", "sip:+00%800", "sip:+555%000", "٣٤٥٦٧٨٩٠١٢"} {
		f.Add(s, "US")
		f.Add(s, "DE")
	}
	f.Fuzz(func(t *testing.T, raw, region string) {
		e164, ok := NormalizeNumber(raw, region)
		if ok != (e164 != "") {
			t.Fatalf("%q, %t", e164, ok)
		}
		if ok {
			if len(e164) > 20 || e164[0] != '+' || strings.Trim(e164[1:], "0123456789") != "" {
				t.Fatalf("%q is not E.164: %q", raw, e164)
			}
			if again, _ := NormalizeNumber(e164, region); again != e164 {
				t.Fatalf("%q became %q, and that %q", raw, e164, again)
			}
		}
		kept, _ := KeepNumber(raw, region)
		if ok && kept != e164 || len(kept) > maxNumber {
			t.Fatalf("kept %q of %q", kept, raw)
		}
		if utf8.ValidString(raw) && !utf8.ValidString(kept) {
			t.Fatalf("%q is not UTF-8", kept)
		}
		if strings.Contains(kept, "\x00") && !strings.Contains(raw, "\x00") {
			t.Fatalf("%q has a NUL that was not in %q", kept, raw)
		}
	})
}
