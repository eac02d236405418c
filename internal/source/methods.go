package source

// methods are those of senders that document others than POST alone.
var methods = map[string][]string{
	"nextphone":  {"POST", "GET", "PUT", "PATCH", "DELETE"}, // as its webhook is configured
	"vonage":     {"POST", "GET"},                           // a URL has its method in the settings of the application
	"twilio":     {"POST", "GET"},                           // as the number or the TwiML says
	"signalwire": {"POST", "GET"},                           // as the number or the cXML says
	"zendesk":    {"POST", "GET", "PUT", "PATCH", "DELETE"}, // as the webhook is configured
}

// Methods are the HTTP methods with which the sender calls, the usual one first. It is POST alone unless the sender
// documents others: under most schemes the method is not signed, so whoever sees a request could send it with another one.
func (p Preset) Methods() []string {
	if m, ok := methods[p.Name]; ok {
		return append([]string(nil), m...)
	}
	return []string{"POST"}
}
