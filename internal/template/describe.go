package template

// FilterInfo is a filter for people who choose one.
type FilterInfo struct {
	Name string `json:"name"`
	// Usage is how it is written behind a variable.
	Usage string `json:"usage"`
	// Says is what it does, in a line.
	Says string `json:"says"`
}

// says are what the filters do, by name; what they do in full is in the package's comment.
var says = map[string]string{
	"default": "this text where the call has none", "upper": "capital letters", "lower": "small letters", "trim": "no spaces around it",
	"truncate": "at most so many characters", "date": "a date or time in another form, also in a time zone: date:'%H:%M','America/New_York'",
	"e164": "a phone number as +15551234567", "national": "a phone number as people of the country write it", "digits": "its digits and nothing else",
	"join": "a list as one text, with this between", "each": "what stands around it, once for each of a list", "map": "another word for each value",
	"json": "the value as JSON", "urlencode": "percent-encoded", "number": "a JSON number, not text", "integer": "a whole JSON number, not text", "boolean": "true or false, not text",
}

// DescribeFilters are all filters, with how they are written and what they do.
func DescribeFilters() []FilterInfo {
	var all []FilterInfo
	for _, name := range Filters() {
		u := usage[name]
		switch {
		case name == "map":
			u = "map:'Drain','drain'"
		case u == "":
			u = name
		}
		all = append(all, FilterInfo{name, u, says[name]})
	}
	return all
}
