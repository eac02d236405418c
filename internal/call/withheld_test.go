package call

import "testing"

func TestNoNameIsWhatCarriersGiveForOne(t *testing.T) {
	for _, s := range []string{
		"WIRELESS CALLER", "OUT OF AREA", "TOLL FREE CALL", "CELL PHONE TX", "CELL PHONE   CA", "Name Unavailable", "Unknown Name", "CALLER ID BLOCKED",
		"V90210123", "V12345678900012", "Private Caller", "Anonymous", "Unavailable", "SPAM LIKELY", "Potential Spam", "PAY PHONE", "UNKNOWN",
		"Not Provided", "Mobile Caller", "INTERNATIONAL CALL", "(Unknown)", "wireless-caller", "266696687", "Unknown  Caller.",
	} {
		if !NoName(s) {
			t.Errorf("%q is taken for a name", s)
		}
	}
	for _, s := range []string{
		"Jane Doe", "DOE JANE", "Jo Al", "LEE MA", "JACKSON MS", "Mobile Mechanics Ltd", "Wireless World", "V. Smith", "Victor 12345678", "Spam Likely Ltd", "",
	} {
		if NoName(s) {
			t.Errorf("%q is taken for none", s)
		}
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	for _, raw := range []string{
		"messenger:1234567890123456", "messenger:998877665544", "Instagram:17841400000000000", "telegram:123456789", "client:15559876543",
		"1234567890123456", "id 12345678901234567 of a page", "Private Caller", "OUT OF AREA",
	} {
		if n, _ := KeepNumber(raw, ""); n != "" {
			t.Errorf("%q: kept as %q", raw, n)
		}
		if n, ok := NormalizeNumber(raw, ""); ok {
			t.Errorf("%q: read as %q", raw, n)
		}
	}
	for raw, want := range map[string]string{
		"whatsapp:+15559876543": "+15559876543", "rcs:+15559876543": "+15559876543", "home: 555-987-6543": "+15559876543",
		"555-987-6543 or 555-123-4567": "555-987-6543 or 555-123-4567",
	} {
		if n, _ := KeepNumber(raw, ""); n != want {
			t.Errorf("%q: kept as %q, want %q", raw, n, want)
		}
	}
}
