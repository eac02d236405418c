package hubspot

import (
	"net/http"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// calculatedNumber and calculatedMobile are what HubSpot makes of phone and mobilephone for searching: the national
// digits.
const (
	calculatedNumber = "hs_searchable_calculated_phone_number"
	calculatedMobile = "hs_searchable_calculated_mobile_number"
)

// numbersPerSearch keeps a search's lists of values under the hundred that HubSpot takes.
const numbersPerSearch = 10

// findByPhone looks for the contacts of rows whose caller has a number: those without an address, and the others unless
// the configuration says no.
func (r *run) findByPhone() {
	wanted := make(map[string][]*row)
	for _, row := range r.rows {
		if row.settled || row.id != "" || row.looked || row.phone == "" || row.email != "" && r.d.conf.NoPhoneMatch {
			continue
		}
		row.looked = true
		m, ok := r.recall("p:" + row.phone)
		switch {
		case ok && m.Pending && (row.email == "" || m.Address != row.email): // an upsert of the same address can be repeated
			row.unclear = m.fresh(r.d.conf.Now())
		case ok && !m.Pending && row.fits(m.Email, m.Name[0], m.Name[1], r.d.conf.DefaultName):
			row.found(m.ID, map[string]string{"firstname": m.Name[0], "lastname": m.Name[1]})
			row.existing = true
			continue
		}
		wanted[row.phone] = append(wanted[row.phone], row)
	}
	var numbers []string
	for n := range wanted {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for chunk := range slices.Chunk(numbers, numbersPerSearch) {
		if r.halt != nil {
			return
		}
		found := r.searchNumbers(chunk)
		for _, anyName := range []bool{false, true} {
			for i := range found {
				r.match(&found[i], chunk, wanted, anyName)
			}
		}
	}
	for _, row := range r.rows {
		if r.halt == nil && row.id == "" && row.unclear > 0 {
			row.settle(destination.Result{RetryAfter: row.unclear, Reason: "a contact for the caller's number was perhaps created a moment ago, and HubSpot's search does not tell yet: it is looked for again; with contact_property nothing has to be waited for"})
		}
	}
}

// match gives a contact to the rows with its number: to those with a name that agrees, or to any.
func (r *run) match(rec *record, numbers []string, wanted map[string][]*row, anyName bool) {
	known := rec.values()
	for _, n := range r.numbersOf(known, numbers) {
		for _, row := range wanted[n] {
			named := agrees(known["firstname"], row.get("firstname")) && agrees(known["lastname"], row.get("lastname"))
			if row.id == "" && (named || anyName) && row.fits(known["email"] != "", known["firstname"], known["lastname"], r.d.conf.DefaultName) {
				row.found(string(rec.ID), known)
				row.existing = true
			}
		}
	}
}

// fits reports whether a contact with the caller's number may be the caller. A caller who gave an address is somebody
// else than a contact with another address or another name; of one who gave none the number has to do.
func (row *row) fits(hasEmail bool, first, last, unknown string) bool {
	if row.email == "" {
		return true
	}
	if first == unknown {
		first = ""
	}
	return !hasEmail && agrees(first, row.get("firstname")) && agrees(last, row.get("lastname"))
}

// searchNumbers returns the contacts that may have one of the numbers, the latest changed first.
func (r *run) searchNumbers(numbers []string) []record {
	for {
		plain := r.d.plainSearch.Load()
		res, retry := r.trySearch(contactsObject, numberSearch(numbers, plain), !plain, "finds contacts by number, in the ways it is written")
		if !retry {
			return res
		}
		r.d.plainSearch.Store(true)
	}
}

// trySearch makes one search. retry is true if HubSpot does not know the properties that were asked for, and optional is
// set.
func (r *run) trySearch(object string, body []byte, optional bool, note string) (found []record, retry bool) {
	if !r.dry {
		if err := r.d.search.Wait(r.ctx); err != nil {
			r.stop(destination.Result{Reason: "the attempt ended while it waited for HubSpot's search limit; set a longer timeout if this goes on", RetryAfter: waitSecond})
			return nil, false
		}
	}
	a, err := r.send(http.MethodPost, r.d.objects+object+"/search", body, note)
	if err == nil && a.Status >= 200 && a.Status < 300 {
		ans, ok := parseBatch(a.Body)
		if !ok {
			r.stop(destination.Result{Status: a.Status, Reason: "HubSpot's search answered something that cannot be read"})
		}
		return ans.Results, false
	}
	if err == nil && a.Status == http.StatusBadRequest && optional {
		return nil, true
	}
	res := r.d.judge(a, err)
	if res.Outcome == destination.Dead {
		res.Outcome = destination.Retry // nothing is wrong with the calls
	}
	if res.Status == http.StatusTooManyRequests && res.RetryAfter > waitSecond && !strings.Contains(res.Reason, "daily") && a.Header.Get("Retry-After") == "" {
		res.RetryAfter = waitSecond // searches are counted by the second
	}
	r.stop(res)
	return nil, false
}

// numberSearch is the body of a search for the numbers.
func numberSearch(numbers []string, plain bool) []byte {
	var written, national []string
	for _, n := range numbers {
		w, digits := waysToWrite(n)
		written = append(written, w...)
		if digits != "" {
			national = append(national, digits)
		}
	}
	groups := []struct {
		property string
		values   []string
	}{{"phone", written}, {"mobilephone", written}, {calculatedNumber, national}, {calculatedMobile, national}}
	properties := []string{"email", "firstname", "lastname", "phone", "mobilephone", calculatedNumber, calculatedMobile}
	if plain || len(national) == 0 {
		groups, properties = groups[:2], properties[:5]
	}
	b := []byte(`{"filterGroups":[`)
	for i, g := range groups {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendMember(append(b, `{"filters":[{`...), "propertyName", g.property), `,"operator":"IN","values":`...)
		b = append(appendStrings(b, g.values), `}]}`...)
	}
	b = append(b, `],"sorts":[{"propertyName":"lastmodifieddate","direction":"DESCENDING"}],"properties":`...)
	return append(appendStrings(b, properties), `,"limit":100}`...)
}

// waysToWrite lists how people and systems write a number, E.164 first, and its national digits.
func waysToWrite(e164 string) (ways []string, digits string) {
	ways = []string{e164, strings.TrimPrefix(e164, "+")}
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return ways, ""
	}
	digits = phonenumbers.GetNationalSignificantNumber(n)
	national := phonenumbers.Format(n, phonenumbers.NATIONAL)
	ways = append(ways, digits, national, phonenumbers.Format(n, phonenumbers.INTERNATIONAL))
	if n.GetCountryCode() == 1 && len(digits) == 10 {
		a, b, c := digits[:3], digits[3:6], digits[6:]
		ways = append(ways, a+"-"+b+"-"+c, a+"."+b+"."+c, "+1 ("+a+") "+b+"-"+c, "1-"+a+"-"+b+"-"+c)
	} else {
		ways = append(ways, strings.ReplaceAll(national, " ", ""))
	}
	slices.Sort(ways[1:])
	return slices.Compact(ways), digits
}

// numbersOf lists which of the numbers a contact really has: national digits alone may be those of another country.
func (r *run) numbersOf(known map[string]string, numbers []string) []string {
	var all []string
	for _, name := range []string{"phone", "mobilephone"} {
		if n, ok := call.NormalizeNumber(known[name], r.d.conf.Region); ok && slices.Contains(numbers, n) {
			all = append(all, n)
		}
	}
	return all
}
