package hubspot

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func TestACallerIsFoundByTheNumberHoweverItIsWritten(t *testing.T) {
	for _, written := range []string{"+15559876543", "15559876543", "5559876543", "(555) 987-6543", "555-987-6543", "555.987.6543",
		"+1 555-987-6543", "+1 (555) 987-6543", "1-555-987-6543", "+1 555 987 6543 "} {
		for _, property := range []string{"phone", "mobilephone"} {
			t.Run(property+" "+written, func(t *testing.T) {
				s, d := account(t, standin.HubSpotConfig{}, nil)
				s.Put("contacts", map[string]string{"firstname": "Someone", "lastname": "Else", property: "+1 555 111 2222"})
				id := s.Put("contacts", map[string]string{property: written, "email": "anna@example.com"})
				r := one(t, d, item(noEmail))
				delivered(t, r)
				if r.RemoteID != id || len(s.Objects("contacts")) != 2 {
					t.Errorf("contact %s of %d, want %s of 2", r.RemoteID, len(s.Objects("contacts")), id)
				}
			})
		}
	}
}

func TestSearchWithoutCalculatedNumbers(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, nil)
	s.Undefine("contacts", calculatedNumber)
	id := s.Put("contacts", map[string]string{"phone": "(555) 987-6543"})
	for range 2 {
		if r := one(t, d, item(noEmail)); r.RemoteID != id {
			t.Errorf("contact %q, want %s: %s", r.RemoteID, id, r.Reason)
		}
	}
	if got := strings.Count(paths(s), "contacts/search"); got != 2 {
		t.Errorf("%d searches, want one that is refused, one that is not, and no other as the number is remembered: %s", got, paths(s))
	}
}

func TestSharedTelephones(t *testing.T) {
	tests := map[string]struct {
		there map[string]string
		call  func(*call.Call)
		// contacts are the names and addresses afterwards.
		contacts string
		warns    string
	}{
		"an unknown address of a known number with the same name": {
			there:    map[string]string{"firstname": "MIKE", "phone": "+15559876543"},
			contacts: "MIKE Johnson mjohnson@email.com",
		},
		"an unknown address of a known number with another name": {
			there:    map[string]string{"firstname": "Anna", "lastname": "Johnson", "phone": "+15559876543"},
			contacts: "Anna Johnson , Mike Johnson mjohnson@email.com",
		},
		"another address": {
			there:    map[string]string{"firstname": "Mike", "phone": "+15559876543", "email": "mike@work.example"},
			contacts: "Mike  mike@work.example, Mike Johnson mjohnson@email.com",
		},
		"no address and another name": {
			there: map[string]string{"firstname": "Anna", "lastname": "Johnson", "phone": "+15559876543"}, call: noEmail,
			contacts: "Anna Johnson ", warns: "another name",
		},
		"no address, and the contact has no name yet": {
			there: map[string]string{"firstname": DefaultName, "phone": "+15559876543"}, call: noEmail,
			contacts: "Mike Johnson ",
		},
		"the same digits in another country": {
			there:    map[string]string{"firstname": "Hans", "phone": "+445559876543"},
			call:     noEmail,
			contacts: "Hans  , Mike Johnson ",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, nil)
			s.Put("contacts", tt.there)
			r := one(t, d, item(tt.call))
			delivered(t, r)
			var all []string
			for _, c := range s.Objects("contacts") {
				all = append(all, c.Properties["firstname"]+" "+c.Properties["lastname"]+" "+c.Properties["email"])
			}
			if got := strings.Join(all, ", "); got != tt.contacts {
				t.Errorf("contacts %q, want %q", got, tt.contacts)
			}
			if w := strings.Join(r.Warnings, ";"); tt.warns == "" && w != "" || !strings.Contains(w, tt.warns) || strings.Contains(w, "Anna") {
				t.Errorf("warnings %q", w)
			}
		})
	}
}

func TestConflictsBecomeUpdates(t *testing.T) {
	t.Run("the address is another contact's", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, nil)
		s.Put("contacts", map[string]string{"firstname": "Mike", "phone": "+15559876543"}) // looks like the caller
		id := s.Put("contacts", map[string]string{"email": "mjohnson@email.com"})
		r := one(t, d, item(nil))
		delivered(t, r)
		if r.RemoteID != id {
			t.Errorf("contact %s, want %s, which has the address", r.RemoteID, id)
		}
	})
	t.Run("the unique property is another contact's", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.ContactProperty = "call_key" })
		s.Define("contacts", standin.HubSpotProperty{Name: "call_key", Unique: true})
		it := item(nil)
		// Made by another gateway between our look and our write.
		s.Fail(standin.Reply{Status: 200, Body: `{"results":[]}`})
		id := s.Put("contacts", map[string]string{"call_key": it.Call.ID})
		r := one(t, d, it)
		delivered(t, r)
		if r.RemoteID != id {
			t.Errorf("contact %s, want %s", r.RemoteID, id)
		}
		want(t, contact(t, s), map[string]string{"email": "mjohnson@email.com"})
	})
	t.Run("the contact is gone", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall = true })
		it := item(noEmail)
		r := one(t, d, it)
		delivered(t, r)
		s.Delete("contacts", r.RemoteID)
		s.Delete("calls", s.Objects("calls")[0].ID)
		r = one(t, d, it)
		delivered(t, r)
		if c := contact(t, s); c.ID != r.RemoteID || len(s.Objects("calls")) != 1 {
			t.Errorf("contact %s and %d calls, want %s and one", c.ID, len(s.Objects("calls")), r.RemoteID)
		}
	})
}

func TestWhatIsThereIsNotSpoilt(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) {
		c.KeepNames, c.LeadStatus, c.OwnerID = true, "NEW", "4711"
	})
	id := s.Put("contacts", map[string]string{"email": "mjohnson@email.com", "firstname": "Michael", "company": "ABC", "hs_lead_status": "CONNECTED"})
	r := one(t, d, item(nil))
	delivered(t, r)
	if r.RemoteID != id {
		t.Errorf("contact %s, want %s", r.RemoteID, id)
	}
	want(t, contact(t, s), map[string]string{"firstname": "Michael", "lastname": "Johnson", "company": "ABC",
		"hs_lead_status": "CONNECTED", "hubspot_owner_id": "", "phone": "+15559876543"})
}

func TestCallersWithNothingButANumberOrAName(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.CreateNameless = true })
	delivered(t, one(t, d, item(func(c *call.Call) { c.Email, c.FirstName, c.LastName = "", "", "" })))
	want(t, contact(t, s), map[string]string{"firstname": DefaultName, "phone": "+15559876543"})
	// The same caller gives a name the next day.
	d = connect(t, s.URL, standin.HubSpotConfig{Token: token}, func(c *Config) { c.CreateNameless = true })
	delivered(t, one(t, d, item(noEmail)))
	want(t, contact(t, s), map[string]string{"firstname": "Mike", "lastname": "Johnson"})
	delivered(t, one(t, d, item(func(c *call.Call) { c.Email, c.CallerNumber = "", "" })))
	if n := len(s.Objects("contacts")); n != 2 {
		t.Errorf("%d contacts, want 2", n)
	}
}

func TestAddressesThatCannotBe(t *testing.T) {
	for raw, ok := range map[string]string{
		"Mike@Example.COM": "mike@example.com", " mailto:a@b.co ": "", "mailto:a@b.co": "a@b.co", "a@b": "", "a b@c.de": "",
		"a@@b.de": "", "@b.de": "", "a@b..de": "", "a,b@c.de": "", "none": "", "": "", "a@.de": "", "o'neil+x@sub.example.org": "o'neil+x@sub.example.org",
		strings.Repeat("a", 250) + "@b.de": "",
	} {
		if got := address(raw); got != ok && !(ok == "" && raw == " mailto:a@b.co ") {
			t.Errorf("address(%q) is %q, want %q", raw, got, ok)
		}
	}
}

func TestALargeBacklogWithoutAddresses(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, nil)
	known := s.Put("contacts", map[string]string{"phone": "(555) 987-0007", "firstname": "Caller"})
	items := make([]destination.Item, 100)
	for i := range items {
		items[i] = item(func(c *call.Call) { c.Email, c.CallerNumber = "", fmt.Sprintf("+1555987%04d", i%50) })
	}
	start := time.Now()
	res := d.Deliver(t.Context(), items)
	delivered(t, res...)
	if res[7].RemoteID != known || res[57].RemoteID != known {
		t.Errorf("contacts %s and %s, want %s", res[7].RemoteID, res[57].RemoteID, known)
	}
	if n := len(s.Objects("contacts")); n != 50 {
		t.Errorf("%d contacts, want 50", n)
	}
	if got := len(s.Requests()); got != 5+2 {
		t.Errorf("%d requests in %s, want five searches, an update and a create: %s", got, time.Since(start), paths(s))
	}
}

func TestOfSeveralContactsWithTheNumberTheOneWithTheNameIsTaken(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, nil)
	id := s.Put("contacts", map[string]string{"firstname": "mike", "phone": "+15559876543"})
	s.Put("contacts", map[string]string{"firstname": "Anna", "phone": "+15559876543"}) // changed later
	if r := one(t, d, item(noEmail)); r.RemoteID != id {
		t.Errorf("contact %s, want %s", r.RemoteID, id)
	}
}

// In one delivery or one after the other, callers who share a number end in the same contacts.
func TestABatchIsWhatItsCallsAreAlone(t *testing.T) {
	mike := func(email string) func(*call.Call) {
		return func(c *call.Call) { c.Email = email }
	}
	anna := func(email string) func(*call.Call) {
		return func(c *call.Call) { c.FirstName, c.Email = "Anna", email }
	}
	for name, changes := range map[string][]func(*call.Call){
		"one person":                     {mike(""), mike("")},
		"the address comes second":       {mike(""), mike("m@b.co")},
		"the address comes first":        {mike("m@b.co"), mike("")},
		"two people without address":     {mike(""), anna("")},
		"two people, one with":           {mike(""), anna("a@b.co")},
		"two people, the first one with": {anna("a@b.co"), mike("")},
		"two addresses":                  {mike("m@b.co"), mike("m@work.example")},
	} {
		t.Run(name, func(t *testing.T) {
			var ends [2]string
			for i := range ends {
				s, d := account(t, standin.HubSpotConfig{}, nil)
				var items []destination.Item
				for _, change := range changes {
					items = append(items, item(change))
				}
				if i == 0 {
					delivered(t, d.Deliver(t.Context(), items)...)
				} else {
					for _, it := range items {
						delivered(t, one(t, d, it))
					}
				}
				var all []string
				for _, c := range s.Objects("contacts") {
					all = append(all, c.Properties["firstname"]+" "+c.Properties["email"])
				}
				slices.Sort(all)
				ends[i] = strings.Join(all, ", ")
			}
			if ends[0] != ends[1] {
				t.Errorf("together %q, one by one %q", ends[0], ends[1])
			}
		})
	}
}

func TestDeliveriesWithoutIDsAreToldApart(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.NoPhoneMatch = true })
	items := []destination.Item{item(nil), item(func(c *call.Call) { c.Email = "b@c.de" }), item(func(c *call.Call) { c.Email = "d@e.fr" })}
	items[0].DeliveryID, items[1].DeliveryID, items[2].DeliveryID = "", "", "same"
	res := d.Deliver(t.Context(), items)
	delivered(t, res...)
	for i, c := range s.Objects("contacts") {
		if c.Properties["email"] != address(items[i].Call.Email) || res[i].RemoteID != c.ID {
			t.Errorf("item %d: contact %s of %s", i, res[i].RemoteID, c.Properties["email"])
		}
	}
}
