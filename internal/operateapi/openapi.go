package operateapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// openapiPath is where the description of the API lies behind the prefix.
const openapiPath = "openapi.json"

// summaries say in a line what each operation does.
var summaries = map[string]string{
	"Overview":         "How each destination does, and what needs a person now",
	"Events":           "Events, newest first",
	"Event":            "One event with its deliveries and their attempts",
	"RevealEvent":      "The same with what the caller said, for a reason",
	"Deliveries":       "Deliveries, newest first",
	"Destinations":     "How each destination stands",
	"Rotations":        "Which secret of a rotation was used last, and when",
	"Statistics":       "The store and the destinations",
	"Cluster":          "The gateways that share the store, and who delivers where",
	"Ready":            "Whether calls should be sent here",
	"Tail":             "New events and attempts as they come",
	"Replay":           "Send dead or delivered ones again",
	"AuditTail":        "The newest records of the audit log, and then new ones as they come",
	"AuditQuery":       "Records of the audit log, oldest first",
	"AuditVerify":      "Whether the audit log lies in the store as it was written",
	"AuditProve":       "The proof that one record is in the log",
	"AuditCheckpoint":  "Sign what the log holds now, and hand it out",
	"AuditExport":      "The log as callgate audit verify reads it",
	"AuditPrune":       "Take the lines of old records away",
	"SendNow":          "Send waiting ones now",
	"Cancel":           "Give waiting ones up",
	"Erase":            "Delete events with all that belongs to them",
	"Jobs":             "What is done to everything that matches a filter, the last first",
	"Job":              "How far one of these is",
	"StartJob":         "Send again or now, or give up, everything that matches, without waiting for it",
	"StartErasure":     "Delete every event that matches, without waiting for it",
	"StopJob":          "Stop one of these; what is done stays done",
	"Pause":            "Keep deliveries waiting",
	"Resume":           "Let them go again",
	"Preview":          "What a payload becomes, and what would be sent for it",
	"Documents":        "Tenants or destinations that live in the store",
	"Document":         "A version of one of them, without its secrets",
	"DocumentVersions": "Its versions, the last first",
	"CompareDocument":  "What differs between two versions",
	"SaveDocument":     "Check a document and keep it as a new version",
	"PublishDocument":  "Put the last version, a draft, into force",
	"RollbackDocument": "Publish what an earlier version says",
	"BuilderKit":       "What somebody needs to build a destination: filters, sources, secrets by name, examples",
	"BuilderBegin":     "A draft of a curl command, a webhook document, an example or a destination",
	"BuilderSample":    "The variables of a call with their values",
	"PreviewDraft":     "What a draft would send for a call, and what is wrong with it",
	"TestDraft":        "Send one request as a draft would, marked as a test",
	"DraftAsLines":     "A draft as lines of a Caddyfile and as JSON",
	"AccountFields":    "The fields of the account that a draft writes to",
	"RemoveDocument":   "Take a document out of force, and perhaps erase what is stored of the tenant",
}

type object = map[string]any

// OpenAPI describes the API in OpenAPI 3.1, from the table of routes and the types of the operations. prefix begins the path
// of every resource.
func OpenAPI(prefix string) []byte {
	d := describer{schemas: object{}, names: map[reflect.Type]string{}}
	paths := object{}
	for _, route := range routes {
		path := prefix + route.Pattern
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		for _, method := range route.Methods {
			item[strings.ToLower(method)] = d.operation(route, method)
		}
	}
	d.schemas["Error"] = object{"type": "object", "properties": object{"error": object{"type": "string"}}, "required": []string{"error"}}
	text, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info":    object{"title": "Callgate", "version": "1", "description": "What operators see of a gateway and do to it."},
		"paths":   paths, "components": object{"schemas": d.schemas},
	}, "", "  ")
	if err != nil {
		panic(err) // of maps and texts
	}
	return text
}

// describer makes schemas of types, each named one once.
type describer struct {
	schemas object
	names   map[reflect.Type]string
}

func jsonContent(schema object) object {
	return object{"application/json": object{"schema": schema}}
}

// operation describes a route as it is asked for with a method.
func (d *describer) operation(route Route, method string) object {
	id := route.Operation
	if len(route.Methods) > 1 {
		id += method[:1] + strings.ToLower(method[1:])
	}
	op := object{"operationId": id, "summary": summaries[route.Operation], "x-capability": string(operate.Operations()[route.Operation])}
	m, _ := reflect.TypeFor[*operate.Service]().MethodByName(route.Operation)
	var params []object
	for part := range strings.SplitSeq(route.Pattern, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	named, posted := 0, object(nil)
	for i := 3; i < m.Type.NumIn(); i++ { // behind the service, the context and the actor
		switch t := m.Type.In(i); {
		case t.Kind() == reflect.String:
			if named++; named > len(params) {
				posted = object{"type": "object", "properties": object{"reason": object{"type": "string"}}}
			}
		case t.Kind() == reflect.Struct && method == http.MethodPost:
			posted = d.schema(t)
		case t.Kind() == reflect.Struct:
			for _, f := range members(t) {
				params = append(params, object{"name": memberOf(f), "in": "query", "schema": d.schema(f.Type)})
			}
		}
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if method == http.MethodPost {
		if posted == nil {
			posted = object{"type": "object"}
		}
		op["requestBody"] = object{"required": true, "content": jsonContent(posted)}
	}
	content := object{"text/event-stream": object{"schema": object{"type": "string"}}}
	if route.Operation != "Tail" {
		content = jsonContent(d.schema(m.Type.Out(0)))
	}
	op["responses"] = object{
		"200":     object{"description": "done", "content": content},
		"default": object{"description": "why not", "content": jsonContent(object{"$ref": "#/components/schemas/Error"})},
	}
	return op
}

// members are the fields of a struct as JSON has them, those of embedded structs among them.
func members(t reflect.Type) (list []reflect.StructField) {
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Anonymous && f.Tag.Get("json") == "":
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			list = append(list, members(inner)...)
		case f.IsExported() && memberOf(f) != "-":
			list = append(list, f)
		}
	}
	return list
}

// memberOf is a field's name in JSON.
func memberOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

// schema describes a type as its JSON is. A named struct stands among the components.
func (d *describer) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"description": "any JSON"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		return d.structure(t)
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

func (d *describer) structure(t reflect.Type) object {
	name, known := d.names[t]
	if !known {
		if name = t.Name(); d.schemas[name] != nil { // another package's
			name = t.String()
		}
		d.names[t] = name
		s := object{"type": "object"}
		d.schemas[name] = s // before its members, which may be of the same type
		properties := object{}
		var required []string
		for _, f := range members(t) {
			properties[memberOf(f)] = d.schema(f.Type)
			if !strings.Contains(f.Tag.Get("json"), ",omit") {
				required = append(required, memberOf(f))
			}
		}
		s["properties"] = properties
		if len(required) > 0 {
			s["required"] = required
		}
	}
	return object{"$ref": "#/components/schemas/" + name}
}
