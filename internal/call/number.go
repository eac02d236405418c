package call

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// DefaultRegion is the region that a national number is read in when none is configured: the guide's callers are in
// the United States, and "(555) 987-6543" carries no country.
const DefaultRegion = "US"

// NormalizeNumber reads a phone number as people and systems write them and returns it in E.164: "+15559876543" for
// "(555) 987-6543" in region US, "tel:+1-555-987-6543" or "sip:+15559876543@example.com". An extension is left out.
// region is an ISO 3166 code such as "US" and counts only where the number names no country; empty means
// DefaultRegion.
//
// ok is false for a text that cannot be dialled from anywhere as it stands: no number, several, a withheld one, or
// one that is too short or too long, such as a local "555-1234". The length is checked and not whether the number
// was ever assigned, because numbering plans change faster than programs.
func NormalizeNumber(raw, region string) (e164 string, ok bool) {
	e164, _ = read(raw, region)
	return e164, e164 != ""
}

// KeepNumber returns what a record holds for a number, and the extension that was given with it. That is E.164
// where NormalizeNumber can read it. Otherwise it is the text as it was given, if a person could still dial it (three
// digits and no letters, or seven digits and any words): a lead must not lose its only number because somebody said
// "555-1234". It is empty for a withheld number, and for an address without digits such as "sip:alice@example.com".
func KeepNumber(raw, region string) (number, extension string) {
	if isNANP(raw) {
		return raw, ""
	}
	if number, extension = read(raw, region); number != "" {
		return number, extension
	}
	user := dialled(raw)
	if len(user) > maxNumber || Withheld(user) {
		return "", ""
	}
	digits, letters, run := 0, false, 0
	for _, r := range user {
		if !unicode.IsDigit(r) {
			letters, run = letters || unicode.IsLetter(r), 0
			continue
		}
		digits++
		if run++; run > maxDigits {
			return "", "" // somebody's id
		}
	}
	if digits >= 7 || digits >= 3 && !letters {
		return user, ""
	}
	return "", ""
}

// ValidRegion reports whether a region can be given to NormalizeNumber: empty, or a known ISO 3166 code in capitals.
func ValidRegion(region string) bool {
	return region == "" || phonenumbers.GetCountryCodeForRegion(region) != 0
}

// maxDigits is the most digits of a number that can be dialled (E.164).
const maxDigits = 15

// channels are the schemes of addresses that are no numbers, even where they consist of digits: a Twilio client, and people
// by the ids that they have with a page or an app (Twilio, "Channel addresses").
var channels = map[string]bool{
	"client": true, "messenger": true, "facebook": true, "fb": true, "psid": true, "igsid": true, "instagram": true, "ig": true,
	"telegram": true, "line": true, "viber": true, "wechat": true, "kakao": true, "skype": true, "slack": true, "discord": true,
	"twitter": true, "chat": true, "conference": true, "conversation": true, "user": true, "agent": true, "queue": true,
	"room": true, "app": true, "sid": true, "mailto": true, "google": true, "gbm": true, "apple": true, "sim": true,
}

// IsChannel reports whether the text is an address of a channel that has no numbers: "messenger:1234567890123456".
func IsChannel(raw string) bool {
	scheme, _, ok := strings.Cut(raw, ":")
	return ok && channels[strings.ToLower(scheme)]
}

// maxNumber bounds the text that is looked at for a number, in bytes.
const maxNumber = 250

var (
	// plainNumber is a text that is one number and nothing else, perhaps with an extension.
	plainNumber = regexp.MustCompile(`(?i)^[^\pL]+(?:;?(?:ext|extn|extension|x)[.:=]?\s*\d{1,8})?$`)
	// numberRun finds what looks like a whole number among words.
	numberRun = regexp.MustCompile(`\+?\d[\d\s().-]{5,}\d`)
)

// read is NormalizeNumber with the extension.
func read(raw, region string) (e164, extension string) {
	text := dialled(raw)
	switch {
	case isNANP(text):
		return text, ""
	case text == "" || len(text) > maxNumber || Withheld(text):
		return "", ""
	case !plainNumber.MatchString(text):
		// The library would take letters for keypad digits, and "555-1234 cel" for a number of ten digits.
		runs := numberRun.FindAllString(text, 2)
		if len(runs) != 1 {
			return "", ""
		}
		text = runs[0]
	}
	if region == "" {
		region = DefaultRegion
	}
	n, err := phonenumbers.Parse(text, region)
	if err != nil || !possible(n) {
		// Some senders (Vonage) write E.164 without its plus, and most of the world dials 00 in place of it.
		if text[0] == '+' || len(text) < 10 {
			return "", ""
		}
		text = strings.TrimPrefix(text, "00")
		if n, err = phonenumbers.Parse("+"+text, region); err != nil || !phonenumbers.IsValidNumber(n) {
			return "", ""
		}
	}
	return phonenumbers.Format(n, phonenumbers.E164), n.GetExtension()
}

// possible reports whether the number has a length that its country has. No area code of North America begins with 0,
// so a French "06 12 34 56 78" without its country is not taken for a number there, which it could be by its length. Zeros
// alone are no number anywhere.
func possible(n *phonenumbers.PhoneNumber) bool {
	const least = 100_000_0000
	national := n.GetNationalNumber()
	return phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE &&
		national > 0 && (n.GetCountryCode() != 1 || national >= least)
}

// isNANP reports whether the text is a North American number in E.164 already, as nearly all are: it saves the
// library's work.
func isNANP(s string) bool {
	if len(s) != 12 || s[:2] != "+1" || s[2] < '2' {
		return false
	}
	for _, c := range []byte(s[2:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// dialled is the part of an address that would be dialled: the text itself, the user of a SIP URI (RFC 3261) with or
// without a display name, or what follows "tel:" (RFC 3966), "whatsapp:" and the like.
func dialled(raw string) string {
	s := strings.TrimSpace(visible(raw))
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		if n := strings.IndexByte(s[i:], '>'); n > 0 { // what follows it, such as ;tag=, is about the header
			s = s[i+1 : i+n]
		}
	}
	scheme, rest, found := strings.Cut(s, ":")
	if !found {
		return s
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips":
		user, _, hasHost := strings.Cut(rest, "@")
		if !hasHost && !strings.HasPrefix(user, "+") {
			return "" // a host alone; an IP address is no number
		}
		user, _, _ = strings.Cut(user, ";")
		if u, err := url.PathUnescape(user); err == nil && utf8.ValidString(u) && !strings.Contains(u, "\x00") {
			user = u // else it is no text, and no record can hold it
		}
		return strings.TrimSpace(user)
	case "tel":
		// Parameters mean something only to a dial plan, except the extension.
		number, params, _ := strings.Cut(rest, ";")
		for p := range strings.SplitSeq(params, ";") {
			if ext, ok := strings.CutPrefix(strings.ToLower(p), "ext="); ok {
				number += " ext. " + ext
			} else if ctx, ok := strings.CutPrefix(p, "phone-context=+"); ok && !strings.HasPrefix(number, "+") {
				number = "+" + ctx + number
			}
		}
		return strings.TrimSpace(number)
	case "whatsapp", "callto", "phone", "mobile":
		return strings.TrimSpace(rest)
	default:
		if channels[strings.ToLower(scheme)] {
			return ""
		}
		return s
	}
}

// visible is the text without characters that only steer how text is shown: telephones put marks of direction around a
// number that is copied from their contacts.
func visible(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Cf, r) {
					return -1
				}
				return r
			}, s)
		}
	}
	return s
}
