package gateway

import "net/http"

// Outcome is what became of a request.
type Outcome uint8

// The outcomes. Those of refused requests are also the codes of their answers.
const (
	pending Outcome = iota
	forwarded
	upstreamRefused
	upstreamFailed
	replayed
	signatureMissing
	signatureInvalid
	timestampOutOfTolerance
	unknownTenant
	tenantFaulty
	methodNotAllowed
	bodyTooLarge
	malformedBody
	fieldMissing
	rateLimited
	addressLimited
	addressRefused
	inFlight
	keyReused
	breakerOpen
	signFailed
	convertFailed
	accepted
	tested
	storeUnavailable
	storeFull
	bodyTooSlow
	overloaded
	clientGone
	handshaken

	// Outcomes is how many there are.
	Outcomes int = iota
)

// outcomeTable has for each outcome its name, the status of its answer where the request is refused, and whether it
// is a security event. Many senders never retry a 4xx, so overload is a 503.
var outcomeTable = [Outcomes]struct {
	name     string
	status   int
	security bool
}{
	pending:                 {name: "pending"},
	forwarded:               {name: "forwarded"},
	upstreamRefused:         {name: "upstream_refused"},
	upstreamFailed:          {name: "upstream_failed"},
	replayed:                {name: "replayed"},
	signatureMissing:        {"signature_missing", http.StatusForbidden, true},
	signatureInvalid:        {"signature_invalid", http.StatusForbidden, true},
	timestampOutOfTolerance: {"timestamp_out_of_tolerance", http.StatusForbidden, true},
	unknownTenant:           {"unknown_tenant", http.StatusNotFound, true},
	tenantFaulty:            {"tenant_faulty", http.StatusServiceUnavailable, false},
	methodNotAllowed:        {"method_not_allowed", http.StatusMethodNotAllowed, true},
	bodyTooLarge:            {"too_large", http.StatusRequestEntityTooLarge, true},
	malformedBody:           {"malformed", http.StatusBadRequest, true},
	fieldMissing:            {"field_missing", http.StatusBadRequest, false},
	rateLimited:             {"rate_limited", http.StatusServiceUnavailable, true},
	addressLimited:          {"address_limited", http.StatusServiceUnavailable, true},
	addressRefused:          {"address_refused", http.StatusForbidden, true},
	inFlight:                {"in_flight", http.StatusServiceUnavailable, false},
	keyReused:               {"event_id_reused", http.StatusUnprocessableEntity, true},
	breakerOpen:             {"breaker_open", http.StatusServiceUnavailable, false},
	signFailed:              {"sign_failed", http.StatusInternalServerError, false},
	convertFailed:           {"convert_failed", http.StatusBadRequest, false},
	accepted:                {name: "accepted"},
	tested:                  {name: "tested"},
	storeUnavailable:        {"store_unavailable", http.StatusServiceUnavailable, false},
	storeFull:               {"store_full", http.StatusServiceUnavailable, false},
	bodyTooSlow:             {"body_too_slow", http.StatusServiceUnavailable, true},
	overloaded:              {"overloaded", http.StatusServiceUnavailable, true},
	clientGone:              {name: "client_gone"},
	handshaken:              {name: "handshake"},
}

// String is the name of the outcome: the code of the answer where it is a refusal.
func (o Outcome) String() string { return outcomeTable[o].name }

// Refusal is a way in which requests are refused.
type Refusal struct {
	// Code is the code of the answer, and Status its status.
	Code   string
	Status int
	// Security tells that the refusal is logged as a security event.
	Security bool
}

// Refusals are all ways in which requests are refused.
func Refusals() (all []Refusal) {
	for _, o := range outcomeTable {
		if o.status != 0 {
			all = append(all, Refusal{o.name, o.status, o.security})
		}
	}
	return all
}
