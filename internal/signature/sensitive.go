package signature

import "slices"

// Sensitive is where requests carry what does not belong into logs: a secret itself, or a signature, which is as good as a
// secret where it can be sent again, and confirms a guess of what was signed in any case.
type Sensitive struct {
	// Headers are names of headers, canonical and sorted.
	Headers []string
	// Query are names of parameters in the URL's query, sorted.
	Query []string
}

// sensitive is what the senders of each scheme send, also beside what the scheme looks at: GitHub sends its older
// signature too. Schemes whose secret is in the body are not here, for bodies are not logged.
var sensitive = map[string]Sensitive{
	"basic":             {Headers: []string{"Authorization"}},
	"jwt":               {Headers: []string{"Authorization"}},
	"gohighlevel":       {Headers: []string{ghlHeader, ghlOldHeader}},
	"justcall":          {Headers: []string{justcallHeader}},
	"plivo":             {Headers: []string{plivoHeader, plivoMainHeader}},
	"sinch":             {Headers: []string{"Authorization"}},
	"sinch-webhook":     {Headers: []string{"X-Sinch-Webhook-Signature"}},
	"ultravox":          {Headers: []string{"X-Ultravox-Webhook-Signature"}},
	"livekit":           {Headers: []string{"Authorization"}},
	"api_key":           {Headers: []string{"X-Api-Key"}},
	"bearer":            {Headers: []string{"Authorization"}},
	"bland":             {Headers: []string{"X-Webhook-Signature"}},
	"calendly":          {Headers: []string{"Calendly-Webhook-Signature"}},
	"calcom":            {Headers: []string{"X-Cal-Signature-256"}},
	"meta":              {Headers: []string{"X-Hub-Signature", "X-Hub-Signature-256"}},
	"tally":             {Headers: []string{"Tally-Signature"}},
	"typeform":          {Headers: []string{"Typeform-Signature"}},
	"zoom":              {Headers: []string{"X-Zm-Signature"}},
	"callrail":          {Headers: []string{"Signature"}},
	"elevenlabs":        {Headers: []string{"Elevenlabs-Signature"}},
	"github":            {Headers: []string{"X-Hub-Signature", "X-Hub-Signature-256"}},
	"hubspot":           {Headers: []string{hubspotHeader, hubspotHeaderV3}},
	"hubspot-v1":        {Headers: []string{hubspotHeader, hubspotHeaderV3}},
	"hubspot-v2":        {Headers: []string{hubspotHeader, hubspotHeaderV3}},
	"intercom":          {Headers: []string{"X-Hub-Signature"}},
	"nextphone":         {Headers: []string{"X-Nextphone-Signature"}},
	"quo":               {Headers: []string{"Openphone-Signature", "Webhook-Signature"}},
	"retell":            {Headers: []string{"X-Retell-Signature"}},
	"shopify":           {Headers: []string{"Shopify-Hmac-Sha256", "X-Shopify-Hmac-Sha256"}},
	"signalwire":        {Headers: []string{signalwireSHA256Header, signalwireHeader, "X-Twilio-Signature"}, Query: []string{"bodySHA256"}},
	"signalwire-sha256": {Headers: []string{signalwireSHA256Header, signalwireHeader, "X-Twilio-Signature"}, Query: []string{"bodySHA256"}},
	"slack":             {Headers: []string{"X-Slack-Signature"}},
	"standard-webhooks": {Headers: []string{"Webhook-Signature"}},
	"stripe":            {Headers: []string{"Stripe-Signature"}},
	"svix":              {Headers: []string{"Svix-Signature", "Webhook-Signature"}},
	"synthflow":         {Headers: []string{"Http-Synthflow-Signature", "Http_synthflow_signature", "Synthflow-Signature"}},
	"telnyx":            {Headers: []string{telnyxHeader}},
	"twilio":            {Headers: []string{"X-Twilio-Signature"}, Query: []string{"bodySHA256"}},
	"vapi":              {Headers: []string{"Authorization", "Svix-Signature", "X-Signature", "X-Vapi-Secret"}},
	"vapi-bearer":       {Headers: []string{"Authorization"}},
	"vapi-hmac":         {Headers: []string{"Svix-Signature", "X-Signature"}},
	"vapi-secret":       {Headers: []string{"X-Vapi-Secret"}},
	"vonage":            {Headers: []string{"Authorization"}},
	"zendesk":           {Headers: []string{"X-Zendesk-Webhook-Signature"}},
}

// SensitiveOf is what must not be logged of the requests of a scheme, by its name or an alias, with the headers of the
// Verifier that was configured for it: where the operator named other headers than the scheme's own, those too. v may be
// nil.
func SensitiveOf(name string, v Verifier) Sensitive {
	var s Sensitive
	if found, err := find(name); err == nil {
		s = sensitive[found.Name]
	}
	query := slices.Clone(s.Query)
	if q, ok := v.(*queryToken); ok {
		query = append(query, q.name)
	}
	return Sensitive{sorted(append(slices.Clone(s.Headers), carriers(v)...)), sorted(query)}
}

// AllSensitive is what must not be logged of the requests of any scheme, as it is without options.
func AllSensitive() Sensitive {
	var all Sensitive
	for _, s := range sensitive {
		all.Headers, all.Query = append(all.Headers, s.Headers...), append(all.Query, s.Query...)
	}
	return Sensitive{sorted(all.Headers), sorted(all.Query)}
}

// sorted is the list in order, without duplicates.
func sorted(names []string) []string {
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}
