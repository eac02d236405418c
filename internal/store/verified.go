package store

import (
	"strconv"
	"strings"
)

// VerifiedHeader stands in the Header of an event beside those of its request, and is none of them: by what the request was
// verified.
const VerifiedHeader = "Callgate-Verified"

// Verified is by what a request was verified.
type Verified struct {
	// Scheme is the name of the signature scheme, and Form the form of the body that was signed, where there are several.
	Scheme string `json:"scheme"`
	Form   string `json:"form,omitempty"`
	// Secret is which of the tenant's secrets it was, counted from 1.
	Secret int `json:"secret"`
}

// String is v as a header has it.
func (v Verified) String() string {
	return "scheme=" + v.Scheme + ";form=" + v.Form + ";secret=" + strconv.Itoa(v.Secret)
}

// VerifiedBy is by what the request of an event was verified; nil where that was not noted, as before it was.
func (e *Event) VerifiedBy() *Verified {
	values := e.Header[VerifiedHeader]
	if len(values) != 1 {
		return nil
	}
	v := new(Verified)
	for part := range strings.SplitSeq(values[0], ";") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "scheme":
			v.Scheme = value
		case "form":
			v.Form = value
		case "secret":
			v.Secret, _ = strconv.Atoi(value) // 0 is unknown
		}
	}
	return v
}
