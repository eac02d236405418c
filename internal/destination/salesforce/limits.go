package salesforce

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// standardLengths are the lengths of standard text fields, in characters (Salesforce Field Reference). They serve
// until the organization's own are known. A field that is not here is not cut before Salesforce complains.
var standardLengths = map[string]map[string]int{
	"Lead": {
		"FirstName": 40, "LastName": 80, "MiddleName": 40, "Suffix": 40, "Salutation": 40, "Company": 255, "Title": 128,
		"Email": 80, "Phone": 40, "MobilePhone": 40, "Fax": 40, "Website": 255, "Street": 255, "City": 40, "State": 80,
		"PostalCode": 20, "Country": 80, "LeadSource": 255, "Status": 255, "Rating": 255, "Industry": 255,
		"Description": 32000,
	},
	"Contact": {
		"FirstName": 40, "LastName": 80, "MiddleName": 40, "Suffix": 40, "Salutation": 40, "Title": 128, "Email": 80,
		"Phone": 40, "MobilePhone": 40, "HomePhone": 40, "OtherPhone": 40, "Fax": 40, "MailingStreet": 255,
		"MailingCity": 40, "MailingState": 80, "MailingPostalCode": 20, "MailingCountry": 80, "LeadSource": 255,
		"Department": 80, "Description": 32000,
	},
	"Case": {
		"Subject": 255, "SuppliedName": 80, "SuppliedEmail": 80, "SuppliedPhone": 40, "SuppliedCompany": 80, "Status": 255,
		"Origin": 255, "Priority": 255, "Description": 32000,
	},
	"Opportunity":    {"Name": 120, "StageName": 255, "LeadSource": 255, "NextStep": 255, "Description": 32000},
	"CampaignMember": {"Status": 40},
	"Task":           {"Subject": 255, "Status": 255, "CallObject": 255, "CallDisposition": 255, "Description": 32000},
}

// noteLength is the length from which a field is prose, in which a cut is marked with an ellipsis.
const noteLength = 255

// truncate cuts s to max characters and says whether it had to. Characters are counted as UTF-16 units: Salesforce's
// platform does, and where its database counts code points instead, the result is only shorter than it might be. A
// rune is never split.
func truncate(s string, max int) (string, bool) {
	if len(s) <= max { // a UTF-16 unit never takes less than a byte
		return s, false
	}
	units, mark := 0, -1
	for i, r := range s {
		n := 1
		if r > 0xffff {
			n = 2
		}
		if mark < 0 && units+n > max-1 {
			mark = i
		}
		if units+n > max {
			if max > noteLength {
				return strings.TrimRight(s[:mark], " \n\r\t") + "…", true
			}
			return s[:i], true
		}
		units += n
	}
	return s, false
}

// lengths are the known lengths of an object's text fields. What Salesforce says when it refuses a text is
// remembered, so that the next call is cut beforehand.
type lengths struct {
	mu      sync.Mutex // of writers
	current atomic.Pointer[map[string]int]
}

func newLengths(object string) *lengths {
	l := &lengths{}
	m := maps.Clone(standardLengths[object])
	if m == nil {
		m = map[string]int{}
	}
	l.current.Store(&m)
	return l
}

// of is the length of a field in characters, 0 when it is not known.
func (l *lengths) of(field string) int { return (*l.current.Load())[field] }

// learn remembers the length of a field. The names are those of the configuration, so the map stays small.
func (l *lengths) learn(field string, length int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := maps.Clone(*l.current.Load())
	m[field] = length
	l.current.Store(&m)
}

func cutWarning(field string, length int) string {
	return field + " was cut to the " + strconv.Itoa(length) + " characters that Salesforce keeps"
}
