// Package fhir delivers calls to an EHR by FHIR R4 (HL7, v4.0.1): a Communication for the call, a Task where the caller
// wants to be called back, a proposed Appointment where they named a time, a ServiceRequest where that is wanted. One
// resource goes by itself and several as one transaction Bundle (or one by one); each is created on the condition that there is none
// with its identifier yet, so that a repeated delivery changes nothing. With Config.Update, what a later event of the call
// knows is merged into what is there, and written with its version; nothing that is there is taken away.
//
// The calls of one patient wait for each other inside one process.
//
// Only the fields that the configuration allows leave the gateway, and a patient is searched for by POST, so that no
// number or id of a person is in a URL.
package fhir

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/outbound"
)

// Kind is a type of resource that calls become.
type Kind string

// The kinds. Each has its own condition; see the package's description.
const (
	Communication  Kind = "Communication"
	Task           Kind = "Task"
	Appointment    Kind = "Appointment"
	ServiceRequest Kind = "ServiceRequest"
)

// DefaultKinds are sent when the configuration names none.
var DefaultKinds = []Kind{Communication, Task, Appointment}

// PatientMode says how the call is linked to a patient.
type PatientMode string

// The modes.
const (
	// PatientLookup searches for the patient id that was collected on the call. When exactly one patient has it, the
	// resources refer to that patient. It is the default.
	PatientLookup PatientMode = "lookup"
	// PatientPhone is PatientLookup and, for a call without a patient id, searches for the caller's number. Families
	// share numbers: choose it only where staff check who called before they use the chart.
	PatientPhone PatientMode = "phone"
	// PatientReference refers to the patient by the identifier, and leaves finding them to the EHR.
	PatientReference PatientMode = "reference"
	// PatientCreate creates the patient in the same transaction if no patient has the identifier. It never creates
	// one for a caller's number alone.
	PatientCreate PatientMode = "create"
	// PatientNone links to no patient.
	PatientNone PatientMode = "none"
)

// DefaultFields are what leaves the gateway when the configuration names no fields.
var DefaultFields = []string{
	"patient_id", "service_type", "appointment_type", "caller_number", "timestamp", "message", "summary",
	"appointment_time", "requested_time", "preferred_time", "appointment_date", "preferred_date",
}

// DefaultServiceParams hold the service that is wanted; the guide's HIPAA example calls it appointment_type.
var DefaultServiceParams = []string{"service_type", "appointment_type"}

// DefaultTimeParams are the parameters that hold the time a caller wants to come, the most telling first.
var DefaultTimeParams = []string{"appointment_time", "requested_time", "preferred_time", "appointment_date", "preferred_date"}

// Defaults of identifiers' systems. An EHR may want its own: any absolute URI.
const (
	DefaultSystem        = "urn:callgate:call-id"
	DefaultPatientSystem = "urn:callgate:patient-id"
	DefaultCategory      = "AI receptionist call intake"
)

// Config configures a destination.
type Config struct {
	// Base is the server's base URL, such as https://ehr.example/fhir.
	Base string
	// AllowHTTP lets a base that is neither loopback nor private by its address be http.
	AllowHTTP bool
	// Auth signs in; SMART backend services are outbound.OAuth2ClientCredentials with an Assertion. Nil for none.
	Auth outbound.Authorizer
	// Client sends; nil means a client with zero Options.
	Client *outbound.Client
	// Kinds are the kinds of resources to send; empty means DefaultKinds.
	Kinds []Kind
	// Fields are the fields of the call that may leave the gateway, by their names in call.Lookup; empty means
	// DefaultFields. Fields that have no place of their own in a resource go into the Communication as text; "params"
	// means all parameters. Whether the call is urgent, whether a callback is wanted, and the call's id are always sent.
	Fields []string
	// Minimized says that Fields were applied to the calls already (package minimize), masks and pseudonyms included,
	// so that whatever a call still holds may leave.
	Minimized bool
	// Patient is how the call is linked to a patient; empty means PatientLookup.
	Patient PatientMode
	// System and PatientSystem are the URIs under which the call's id and the patient's id are identifiers.
	System, PatientSystem string
	// PatientParam and ServiceParam name the parameters that hold the patient's id and the service that is wanted;
	// empty means patient_id, and the first of DefaultServiceParams that a call has. TimeParams likewise; empty means
	// DefaultTimeParams.
	PatientParam, ServiceParam string
	TimeParams                 []string
	// Location is the time zone of times that callers name without one. Nil leaves such times as text, since FHIR has
	// no time without a zone and a guess would be an appointment at the wrong hour.
	Location *time.Location
	// Category is the text of the Communication's category; empty means DefaultCategory.
	Category string
	// Update adds what a later event of the same call knows to the resources of the earlier ones: they are looked for by
	// their identifier, merged, and written back with their version (PUT with If-Match), so that neither an earlier event's
	// knowledge nor what people have changed gets lost. It takes a search for each resource, which the sign-in must
	// permit. Without it the first event stands, and a warning says so.
	Update bool
	// Separate sends several resources one after the other rather than as a transaction, for servers that have none.
	// They refer to each other by identifiers then. A failure in between is made good by the next attempt, since what
	// is there already is left as it is.
	Separate bool
	// Header are further headers of every request.
	Header http.Header
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// New checks the configuration and returns the destination.
func New(cfg Config) (*Destination, error) {
	if err := outbound.CheckURL(cfg.Base, cfg.AllowHTTP, true); err != nil {
		return nil, fmt.Errorf("FHIR base: %w", err)
	}
	if strings.ContainsAny(cfg.Base, "?#{}") {
		return nil, errors.New("FHIR base: give the server's base URL alone, without query or variables")
	}
	cfg.Base = strings.TrimRight(cfg.Base, "/")
	if len(cfg.Kinds) == 0 {
		cfg.Kinds = DefaultKinds
	}
	for _, k := range cfg.Kinds {
		switch k {
		case Communication, Task, Appointment, ServiceRequest:
		default:
			return nil, fmt.Errorf("resource %q: choose from Communication, Task, Appointment and ServiceRequest", k)
		}
	}
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def((*string)(&cfg.Patient), string(PatientLookup))
	switch cfg.Patient {
	case PatientLookup, PatientPhone, PatientReference, PatientCreate, PatientNone:
	default:
		return nil, fmt.Errorf("patient %q: choose from lookup, phone, reference, create and none", cfg.Patient)
	}
	def(&cfg.System, DefaultSystem)
	def(&cfg.PatientSystem, DefaultPatientSystem)
	for _, s := range []string{cfg.System, cfg.PatientSystem} {
		if u, err := url.Parse(s); err != nil || !u.IsAbs() || strings.ContainsAny(s, " |") {
			return nil, errors.New("identifier system: give an absolute URI, such as https://clinic.example/call-id")
		}
	}
	def(&cfg.PatientParam, "patient_id")
	def(&cfg.Category, DefaultCategory)
	if len(cfg.TimeParams) == 0 {
		cfg.TimeParams = DefaultTimeParams
	}
	services := DefaultServiceParams
	if cfg.ServiceParam != "" {
		services = []string{cfg.ServiceParam}
	}
	if len(cfg.Fields) == 0 {
		cfg.Fields = slices.Concat(DefaultFields, []string{cfg.PatientParam}, services, cfg.TimeParams)
	}
	if cfg.Client == nil {
		cfg.Client = outbound.NewClient(outbound.Options{})
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Destination{cfg: cfg, services: services, allowed: make(map[string]bool, len(cfg.Fields))}
	for _, f := range cfg.Fields {
		d.allowed[f] = true
	}
	d.times = d.allowed["timestamp"] || cfg.Minimized && (d.allowed["started_at"] || d.allowed["ended_at"])
	// Fields with a place of their own; the rest of what is allowed is sent as text.
	d.own = slices.Clone(ownPlace)
	for _, p := range slices.Concat([]string{cfg.PatientParam}, services, cfg.TimeParams) {
		long := "params." + p // which names the same parameter
		d.own = append(d.own, p, long)
		d.allowed[p] = d.allowed[p] || d.allowed[long]
	}
	for _, f := range cfg.Fields {
		if !slices.Contains(d.own, f) && !slices.Contains(d.extra, f) {
			d.extra = append(d.extra, f)
		}
	}
	return d, nil
}

// ownPlace are the fields that build.go puts somewhere itself.
var ownPlace = []string{
	"caller_number", "phone", "timestamp", "started_at", "ended_at", "message", "notes", "issue", "summary", "transcript",
	"recording_url", "name", "first_name", "last_name", "urgent", "callback_requested", "call_id",
}
