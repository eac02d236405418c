package fhir

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// callID is the identifier's value for the call: unique among providers, and the same for all events of one call.
func (v *view) callID() string {
	id := v.Call.ID
	if id == "" {
		if id = v.EventID; id == "" {
			id = v.DeliveryID
		}
	}
	if v.Call.Provider != "" {
		id = v.Call.Provider + ":" + id
	}
	if id = v.clean(id); len(id) > 160 { // it stands in a header
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:])
	}
	return id
}

// urn names a resource within the Bundle: the same one in every attempt, so that attempts are the same to the byte.
func (v *view) urn(kind Kind) string {
	sum := sha256.Sum256([]byte(v.DeliveryID + "\x00" + string(kind)))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8, by RFC 9562
	h := hex.EncodeToString(sum[:16])
	return "urn:uuid:" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// condition is the search for an identifier, escaped twice: the commas, dollars and bars of the value for FHIR's search
// (section 3.1.1.5 of R4), and everything but the customary delimiters for the query.
func condition(id identifier) string {
	token := searchEscape(id.System) + "|" + searchEscape(id.Value)
	return "identifier=" + readable.Replace(url.QueryEscape(token))
}

var (
	readable     = strings.NewReplacer("%3A", ":", "%2F", "/", "%7C", "|", "+", "%20")
	searchEscape = strings.NewReplacer(`\`, `\\`, "|", `\|`, ",", `\,`, "$", `\$`).Replace
)
