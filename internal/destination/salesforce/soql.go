package salesforce

import (
	"net/url"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

const hexDigits = "0123456789abcdef"

// appendLiteral appends s as a SOQL string literal. SOQL knows the escapes \n \r \t \b \f \" \' \\ and \uXXXX, and
// takes any other use of the backslash as an error (SOQL and SOSL Reference, "Quoted String Escape Sequences").
func appendLiteral(dst []byte, s string) []byte {
	dst = append(dst, '\'')
	for _, r := range s { // invalid UTF-8 becomes U+FFFD
		switch {
		case r == '\'' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < 0x20 || r == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&0xf])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '\'')
}

// appendIn appends the condition that field has one of the values.
func appendIn(dst []byte, field string, values []string) []byte {
	dst = append(dst, field...)
	if len(values) == 1 {
		return appendLiteral(append(dst, " = "...), values[0])
	}
	dst = append(dst, " IN ("...)
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendLiteral(dst, v)
	}
	return append(dst, ')')
}

// phoneForms lists the ways in which people and systems write number, most likely first: SOQL compares phone fields as
// text, and Salesforce keeps what was typed.
func phoneForms(number string) []string {
	forms := []string{number}
	n, err := phonenumbers.Parse(number, "ZZ")
	if err != nil {
		return forms
	}
	add := func(s string) {
		for _, f := range forms {
			if f == s {
				return
			}
		}
		forms = append(forms, s)
	}
	national := phonenumbers.GetNationalSignificantNumber(n)
	add(phonenumbers.Format(n, phonenumbers.E164))
	add(phonenumbers.Format(n, phonenumbers.NATIONAL))
	add(phonenumbers.Format(n, phonenumbers.INTERNATIONAL))
	add(national)
	add(strings.TrimPrefix(phonenumbers.Format(n, phonenumbers.E164), "+"))
	if n.GetCountryCode() == 1 && len(national) == 10 {
		add(national[:3] + "-" + national[3:6] + "-" + national[6:])
		add(national[:3] + "." + national[3:6] + "." + national[6:])
	}
	return forms
}

// escapeSegment escapes s so that it is one segment of a path and nothing else: everything but the unreserved
// characters of RFC 3986, so that no proxy on the way reads a separator into it.
func escapeSegment(s string) string {
	// QueryEscape leaves only unreserved characters and writes a blank as '+', which in a path is a plus sign.
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
