package standin

import (
	"fmt"
	"regexp"
	"strings"
)

// element is what R4 says of one element: what it is, whether there must be one, and whether there may be several.
// The type is a primitive (code, string, dateTime, uri), a name in structures, or a choice of codes in brackets.
type element struct {
	kind     string
	required bool
	list     bool
}

// structures are the structure definitions of R4 for the resources and types that calls become
// (hl7.org/fhir/R4/*.profile.json), elements in full for the resources' own, in part for those calls have no use for:
// what is not here is refused as unknown.
var structures = map[string]map[string]element{
	"Patient": fields(
		"id id", "meta Meta", "text Narrative", "identifier Identifier*", "active boolean", "name HumanName*", "telecom ContactPoint*",
		"gender [male female other unknown]", "birthDate date"),
	"Communication": fields(
		"id id", "meta Meta", "text Narrative", "identifier Identifier*", "instantiatesUri uri*", "basedOn Reference*", "partOf Reference*", "inResponseTo Reference*",
		"status! [preparation in-progress not-done on-hold stopped completed entered-in-error unknown]",
		"statusReason CodeableConcept", "category CodeableConcept*", "priority [routine urgent asap stat]",
		"medium CodeableConcept*", "subject Reference", "topic CodeableConcept", "about Reference*", "encounter Reference",
		"sent dateTime", "received dateTime", "recipient Reference*", "sender Reference", "reasonCode CodeableConcept*",
		"reasonReference Reference*", "payload Payload*", "note Annotation*"),
	"Payload": fields("contentString string", "contentAttachment Attachment", "contentReference Reference"),
	"Task": fields(
		"id id", "meta Meta", "text Narrative", "identifier Identifier*", "basedOn Reference*", "groupIdentifier Identifier", "partOf Reference*",
		"status! [draft requested received accepted rejected ready cancelled in-progress on-hold failed completed entered-in-error]",
		"statusReason CodeableConcept", "businessStatus CodeableConcept",
		"intent! [unknown proposal plan order original-order reflex-order filler-order instance-order option]",
		"priority [routine urgent asap stat]", "code CodeableConcept", "description string", "focus Reference", "for Reference",
		"encounter Reference", "executionPeriod Period", "authoredOn dateTime", "lastModified dateTime", "requester Reference",
		"performerType CodeableConcept*", "owner Reference", "location Reference", "reasonCode CodeableConcept",
		"reasonReference Reference", "note Annotation*", "input TaskInput*"),
	"TaskInput": fields("type! CodeableConcept", "valueString! string"),
	"Appointment": fields(
		"id id", "meta Meta", "text Narrative", "identifier Identifier*",
		"status! [proposed pending booked arrived fulfilled cancelled noshow entered-in-error checked-in waitlist]",
		"cancelationReason CodeableConcept", "serviceCategory CodeableConcept*", "serviceType CodeableConcept*",
		"specialty CodeableConcept*", "appointmentType CodeableConcept", "reasonCode CodeableConcept*", "description string",
		"start instant", "end instant", "created dateTime", "comment string", "patientInstruction string",
		"participant! Participant*", "requestedPeriod Period*"),
	"Participant": fields("type CodeableConcept*", "actor Reference", "required [required optional information-only]",
		"status! [accepted declined tentative needs-action]", "period Period"),
	"ServiceRequest": fields(
		"id id", "meta Meta", "text Narrative", "identifier Identifier*", "status! [draft active on-hold revoked completed entered-in-error unknown]",
		"intent! [proposal plan directive order original-order reflex-order filler-order instance-order option]",
		"category CodeableConcept*", "priority [routine urgent asap stat]", "code CodeableConcept", "subject! Reference",
		"occurrenceDateTime dateTime", "authoredOn dateTime", "requester Reference", "note Annotation*"),

	"Identifier":      fields("use code", "type CodeableConcept", "system uri", "value string", "period Period", "assigner Reference"),
	"CodeableConcept": fields("coding Coding*", "text string"),
	"Coding":          fields("system uri", "version string", "code code", "display string", "userSelected boolean"),
	"Reference":       fields("reference string", "type uri", "identifier Identifier", "display string"),
	"ContactPoint": fields("system [phone fax email pager url sms other]", "value string",
		"use [home work temp old mobile]", "rank positiveInt", "period Period"),
	"Meta":       fields("versionId id", "lastUpdated instant", "source uri", "profile uri*", "tag Coding*"),
	"Narrative":  fields("status! [generated extensions additional empty]", "div! string"),
	"Extension":  fields("url! uri", "valueCode code"),
	"HumanName":  fields("extension Extension*", "use code", "text string", "family string", "given string*", "prefix string*", "suffix string*"),
	"Period":     fields("start dateTime", "end dateTime"),
	"Attachment": fields("contentType code", "language code", "url uri", "title string", "creation dateTime"),
	"Annotation": fields("authorString string", "time dateTime", "text! string"),
}

func fields(all ...string) map[string]element {
	m := make(map[string]element, len(all)+1)
	for _, f := range all {
		name, kind, _ := strings.Cut(f, " ")
		e := element{required: strings.HasSuffix(name, "!"), list: strings.HasSuffix(kind, "*")}
		e.kind = strings.TrimSuffix(kind, "*")
		m[strings.TrimSuffix(name, "!")] = e
	}
	return m
}

var (
	dateTime   = regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d))?)?)?$`)
	primitives = map[string]*regexp.Regexp{
		"code":     regexp.MustCompile(`^[^\s]+(\s[^\s]+)*$`),
		"uri":      regexp.MustCompile(`^\S+$`),
		"id":       regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`),
		"dateTime": dateTime,
		"date":     regexp.MustCompile(`^\d{4}(-\d{2}(-\d{2})?)?$`),
		"instant":  regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$`),
	}
)

// CheckResource checks a resource against R4's structure and the invariants that calls touch. It returns nil for a
// valid one.
func CheckResource(resource map[string]any, kind string) *Problem {
	if resource["resourceType"] != kind || structures[kind] == nil || kind[0] >= 'a' {
		return &Problem{404, "not-supported", fmt.Sprint("resource ", resource["resourceType"], " at ", kind), ""}
	}
	if p := checkValues(resource, kind); p != nil {
		return p
	}
	if p := checkStructure(resource, kind, kind); p != nil {
		return p
	}
	if kind != "Appointment" {
		return nil
	}
	status := resource["status"]
	if _, start := resource["start"]; !start && status != "proposed" && status != "cancelled" && status != "waitlist" {
		return &Problem{422, "invariant", "app-3: only proposed or cancelled appointments can be missing start and end", kind}
	}
	for i, one := range resource["participant"].([]any) {
		p := one.(map[string]any)
		if p["type"] == nil && p["actor"] == nil {
			return &Problem{422, "invariant", "app-1: either the type or actor on the participant SHALL be specified", fmt.Sprintf("%s.participant[%d]", kind, i)}
		}
	}
	return nil
}

// checkValues refuses what FHIR's JSON forbids anywhere: empty strings, lists and objects, and null.
func checkValues(v any, path string) *Problem {
	empty := &Problem{400, "structure", "empty value", path}
	switch v := v.(type) {
	case nil:
		return empty
	case string:
		if strings.TrimSpace(v) == "" {
			return empty
		}
	case []any:
		if len(v) == 0 {
			return empty
		}
		for i, child := range v {
			if p := checkValues(child, fmt.Sprintf("%s[%d]", path, i)); p != nil {
				return p
			}
		}
	case map[string]any:
		if len(v) == 0 {
			return empty
		}
		for k, child := range v {
			if p := checkValues(child, path+"."+k); p != nil {
				return p
			}
		}
	}
	return nil
}

func checkStructure(m map[string]any, kind, path string) *Problem {
	known := structures[kind]
	for name, e := range known {
		if _, there := m[name]; e.required && !there {
			return &Problem{422, "required", "minimum required = 1", path + "." + name}
		}
	}
	for name, v := range m {
		if name == "resourceType" {
			continue
		}
		at := path + "." + name
		e, ok := known[name]
		if !ok {
			return &Problem{400, "structure", fmt.Sprintf("unknown element with value %v", v), at}
		}
		list, isList := v.([]any)
		if isList != e.list {
			return &Problem{400, "structure", fmt.Sprintf("list or not: %v", v), at}
		}
		if !isList {
			list = []any{v}
		}
		for i, one := range list {
			if isList {
				at = fmt.Sprintf("%s.%s[%d]", path, name, i)
			}
			if p := checkElement(one, e.kind, at); p != nil {
				return p
			}
		}
	}
	return nil
}

func checkElement(v any, kind, at string) *Problem {
	if structures[kind] != nil {
		m, ok := v.(map[string]any)
		if !ok {
			return &Problem{400, "structure", fmt.Sprintf("not an object: %v", v), at}
		}
		return checkStructure(m, kind, at)
	}
	s, ok := v.(string)
	switch {
	case kind == "boolean":
		_, ok = v.(bool)
	case kind == "positiveInt":
		_, ok = v.(float64)
	case kind[0] == '[':
		ok = ok && strings.Contains(" "+strings.Trim(kind, "[]")+" ", " "+s+" ")
		if !ok {
			return &Problem{422, "code-invalid", fmt.Sprintf("unknown code %v", v), at}
		}
	case kind == "string": // by hand, since texts can be long
		ok = ok && strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }) < 0
	default:
		ok = ok && primitives[kind].MatchString(s)
	}
	if !ok {
		return &Problem{400, "value", fmt.Sprintf("not a %s: %v", kind, v), at}
	}
	return nil
}

// capabilities is the server's capability statement (hl7.org/fhir/R4/capabilitystatement.html).
func capabilities() map[string]any {
	resources := []any{}
	for kind := range structures {
		if kind[0] >= 'A' && kind[0] <= 'Z' && structures[kind]["meta"].kind != "" {
			resources = append(resources, map[string]any{
				"type": kind, "interaction": []any{map[string]any{"code": "read"}, map[string]any{"code": "create"}, map[string]any{"code": "update"}, map[string]any{"code": "search-type"}},
			})
		}
	}
	return map[string]any{
		"resourceType": "CapabilityStatement", "status": "active", "date": "2026-10-01", "kind": "instance", "fhirVersion": "4.0.1", "format": []string{"json"},
		"rest": []any{map[string]any{"mode": "server", "resource": resources}},
	}
}
