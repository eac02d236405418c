package convert

import (
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/audit"
)

// Systems of codes and identifiers.
const (
	dcm        = "http://dicom.nema.org/resources/ontology/DCM"
	lifecycle  = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
	entityType = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	objectRole = "http://terminology.hl7.org/CodeSystem/object-role"
	sourceType = "http://terminology.hl7.org/CodeSystem/security-source-type"

	kindSystem      = "https://github.com/callgate/callgate/audit-kind"
	eventSystem     = "https://github.com/callgate/callgate/event"
	pseudonymSystem = "https://github.com/callgate/callgate/caller-pseudonym"

	// disclosureProfile is IHE's for a disclosure as its source records it.
	disclosureProfile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"
)

type (
	coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display,omitempty"`
	}
	concept struct {
		Coding []coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	identifier struct {
		System string `json:"system,omitempty"`
		Value  string `json:"value"`
	}
	reference struct {
		Type       string      `json:"type,omitempty"`
		Identifier *identifier `json:"identifier,omitempty"`
		Display    string      `json:"display,omitempty"`
	}
	network struct {
		Address string `json:"address"`
		Type    string `json:"type"`
	}
	agent struct {
		Type      *concept   `json:"type,omitempty"`
		Role      []concept  `json:"role,omitempty"`
		Who       *reference `json:"who,omitempty"`
		Requestor bool       `json:"requestor"`
		Network   *network   `json:"network,omitempty"`
	}
	detail struct {
		Type  string `json:"type"`
		Value string `json:"valueString"`
	}
	entity struct {
		What   *reference `json:"what,omitempty"`
		Type   coding     `json:"type"`
		Role   coding     `json:"role"`
		Detail []detail   `json:"detail,omitempty"`
	}
	meta struct {
		Profile []string `json:"profile"`
	}
	eventSource struct {
		Site     string    `json:"site,omitempty"`
		Observer reference `json:"observer"`
		Type     []coding  `json:"type"`
	}
	auditEvent struct {
		ResourceType string      `json:"resourceType"`
		ID           string      `json:"id"`
		Meta         *meta       `json:"meta,omitempty"`
		Type         coding      `json:"type"`
		Subtype      []coding    `json:"subtype"`
		Action       string      `json:"action"`
		Recorded     string      `json:"recorded"`
		Outcome      string      `json:"outcome"`
		OutcomeDesc  string      `json:"outcomeDesc,omitempty"`
		Purpose      []concept   `json:"purposeOfEvent,omitempty"`
		Agent        []agent     `json:"agent"`
		Source       eventSource `json:"source"`
		Entity       []entity    `json:"entity,omitempty"`
	}
)

// class is what a kind of record is in FHIR: a type and what was done.
type class struct {
	typ    coding
	sub    []coding
	action string
}

var (
	export      = class{coding{dcm, "110106", "Export"}, []coding{{lifecycle, "disclose", "Disclose Record Lifecycle Event"}}, "R"}
	application = coding{dcm, "110100", "Application Activity"}
	auditUsed   = coding{dcm, "110101", "Audit Log Used"}
	securityAlt = coding{dcm, "110113", "Security Alert"}
	restricted  = coding{dcm, "110132", "Use of Restricted Function"}
	// configuration is what a change of it is, beside a security alert.
	configuration = []coding{{dcm, "110131", "Software Configuration"}}
	access        = coding{lifecycle, "access", "Access/View Record Lifecycle Event"}
	destroy       = coding{lifecycle, "destroy", "Destroy/Delete Record Lifecycle Event"}
)

var classes = map[audit.Kind]class{
	audit.EventAccepted: {coding{dcm, "110107", "Import"}, []coding{{lifecycle, "receive", "Receive/Retain Record Lifecycle Event"}}, "C"},
	audit.Attempt:       export,
	audit.SyncOutcome:   export,
	// Guessed: that archive is the code for a backup is from memory.
	audit.Backup:        {coding{dcm, "110106", "Export"}, []coding{{lifecycle, "archive", "Archive Record Lifecycle Event"}}, "R"},
	audit.SyncForward:   {coding{lifecycle, "transmit", "Transmit Record Lifecycle Event"}, nil, "E"},
	audit.List:          {access, nil, "R"},
	audit.Show:          {access, nil, "R"},
	audit.Reveal:        {access, nil, "R"},
	audit.RevealDenied:  {securityAlt, []coding{restricted}, "R"},
	audit.AccessDenied:  {securityAlt, []coding{restricted}, "E"},
	audit.Erase:         {destroy, nil, "D"},
	audit.Expire:        {destroy, nil, "D"},
	audit.KeyDestroyed:  {destroy, nil, "D"}, // and with it what it had sealed
	audit.ConfigLoaded:  {securityAlt, configuration, "U"},
	audit.ConfigRefused: {securityAlt, configuration, "E"},
	// What a draft says is not in force.
	audit.DocumentSaved:     {securityAlt, configuration, "C"},
	audit.DocumentPublished: {securityAlt, configuration, "U"},
	audit.DocumentRemoved:   {securityAlt, configuration, "D"},
	audit.DocumentForgotten: {destroy, nil, "D"},
	audit.Start:             {application, []coding{{dcm, "110120", "Application Start"}}, "E"},
	audit.Stop:              {application, []coding{{dcm, "110121", "Application Stop"}}, "E"},
	audit.Pruned:            {auditUsed, nil, "D"},
	audit.Exported:          {auditUsed, nil, "R"},
	audit.Forked:            {auditUsed, nil, "U"},
}

// FHIR writes records as AuditEvents of FHIR R4, one in a line (application/fhir+ndjson). A call that was sent to a receiver,
// whose caller's pseudonym and whose receiver's host are known, follows IHE's Basic Audit Log Patterns, PrivacyDisclosure at
// the source; all others are AuditEvents that claim no profile.
type FHIR struct {
	w io.Writer
	o FHIROptions
}

// FHIROptions says who writes.
type FHIROptions struct {
	// Origin is the name of the log, which the gateway goes by.
	Origin string
	// Host is the gateway's name in its network.
	Host string
	// Pseudonym is the keyed hash of an event's caller, "" when it was erased or there is none. nil: there are none.
	Pseudonym func(event string) string
}

// NewFHIR writes to w.
func NewFHIR(w io.Writer, o FHIROptions) *FHIR {
	if o.Pseudonym == nil {
		o.Pseudonym = func(string) string { return "" }
	}
	return &FHIR{w: w, o: o}
}

// Write writes a record.
func (f *FHIR) Write(l *audit.Leaf) error {
	b, err := json.Marshal(f.event(l))
	if err != nil {
		return err
	}
	_, err = f.w.Write(append(b, '\n'))
	return err
}

func (f *FHIR) event(l *audit.Leaf) *auditEvent {
	c, ok := classes[l.Kind]
	if !ok {
		c = class{application, nil, "E"}
	}
	gateway := reference{Display: f.o.Origin}
	e := &auditEvent{
		ResourceType: "AuditEvent",
		ID:           "seq-" + strconv.FormatInt(l.Seq, 10),
		Type:         c.typ,
		Subtype:      append(append([]coding(nil), c.sub...), coding{System: kindSystem, Code: code(string(l.Kind))}),
		Action:       c.action,
		Recorded:     l.At.UTC().Format("2006-01-02T15:04:05.000Z"),
		Outcome:      outcome(l),
		OutcomeDesc:  printable(l.Reason),
		Source:       eventSource{Site: printable(l.Tenant), Observer: gateway, Type: []coding{{sourceType, "4", "Application Server"}}},
	}
	if why := printable(l.Why); why != "" {
		e.Purpose = []concept{{Text: why}}
	}
	byUser := l.Actor != (audit.Actor{})
	e.Agent = append(e.Agent, agent{Type: role("110153", "Source Role ID"), Who: &gateway, Requestor: !byUser, Network: at(f.o.Host)})
	for _, to := range l.To {
		e.Agent = append(e.Agent, agent{Type: role("110152", "Destination Role ID"), Who: &reference{Display: printable(to.Name)}, Network: at(to.Host)})
	}
	if byUser {
		e.Agent = append(e.Agent, person(l.Actor))
	}
	pseudonym := ""
	if l.Event != "" {
		pseudonym = printable(f.o.Pseudonym(l.Event))
	}
	if pseudonym != "" {
		e.Entity = append(e.Entity, entity{
			What: &reference{Type: "Patient", Identifier: &identifier{System: pseudonymSystem, Value: pseudonym}},
			Type: coding{entityType, "1", "Person"}, Role: coding{objectRole, "1", "Patient"},
		})
	}
	data := entity{Type: coding{entityType, "2", "System Object"}, Role: coding{objectRole, "3", "Report"}, Detail: details(l)}
	if event := printable(l.Event); event != "" {
		data.What = &reference{Identifier: &identifier{System: eventSystem, Value: event}}
	}
	if data.What != nil || len(data.Detail) > 0 {
		e.Entity = append(e.Entity, data)
	}
	if c.typ == export.typ && pseudonym != "" && len(l.To) == 1 && e.Agent[0].Network != nil && e.Agent[1].Network != nil {
		e.Meta = &meta{Profile: []string{disclosureProfile}}
	}
	return e
}

// outcome is FHIR's: 0 success, 4 a failure that may pass, 8 one that stands.
func outcome(l *audit.Leaf) string {
	switch l.Outcome {
	case audit.OutcomeRetry, audit.OutcomeUnclean:
		return "4"
	case audit.OutcomeDead, audit.OutcomeDenied:
		return "8"
	}
	if l.Kind == audit.AccessDenied || l.Kind == audit.RevealDenied {
		return "8"
	}
	return "0"
}

func role(dcmCode, display string) *concept {
	return &concept{Coding: []coding{{dcm, dcmCode, display}}}
}

func person(a audit.Actor) agent {
	p := agent{Who: &reference{Display: printable(a.Type)}, Requestor: true, Network: at(a.IP)}
	if id := printable(a.ID); id != "" {
		p.Who = &reference{Identifier: &identifier{Value: id}, Display: id}
	}
	if p.Who.Display == "" {
		p.Who.Display = "unknown"
	}
	if r := printable(a.Role); r != "" {
		p.Role = []concept{{Text: r}}
	}
	return p
}

// at is a host as FHIR has it, without a port: an address (2) or a name (1); nil if there is none.
func at(host string) *network {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = printable(strings.Trim(host, "[]"))
	if host == "" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return &network{Address: host, Type: "2"}
	}
	return &network{Address: host, Type: "1"}
}

// details are what FHIR has no place for.
func details(l *audit.Leaf) []detail {
	var out []detail
	add := func(name, value string) {
		if value = printable(value); value != "" {
			out = append(out, detail{Type: name, Value: value})
		}
	}
	add("source", l.Source)
	add("route", l.Route)
	add("delivery", l.Delivery)
	add("operation", l.Operation)
	add("version", number(int64(l.Version)))
	add("attempt", number(int64(l.Attempt)))
	add("fields", strings.Join(l.Fields, " "))
	add("policy", l.Policy)
	add("bytes", number(l.Bytes))
	add("count", number(l.Count))
	add("outcome", l.Outcome)
	add("status", number(int64(l.Status)))
	add("took_ms", number(l.TookMS))
	add("config", l.Config)
	add("boot", l.Boot)
	add("via", l.Actor.Via)
	for _, to := range l.To {
		add("to_kind", to.Kind)
	}
	if !l.Sent.IsZero() {
		add("sent", l.Sent.String())
	}
	if !l.Subject.IsZero() {
		add("subject", l.Subject.String())
	}
	return out
}

// printable makes a text a FHIR string: without control characters, and without spaces around it.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

// code makes a text a FHIR code, in which there are no two spaces.
func code(s string) string {
	if s = strings.Join(strings.Fields(printable(s)), " "); s != "" {
		return s
	}
	return "unknown"
}
