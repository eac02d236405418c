package destinations

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/template"
)

// renderer makes the requests: as the definition says, with what the configuration says over it, or as the
// configuration alone says.
func (h *HTTP) renderer(o guest.DestinationOptions) (httpdest.Renderer, error) {
	options := definition.Options{Resolve: o.Resolve, Region: o.Region}
	switch {
	case h.OmitEmpty:
		options.Policy = template.OmitEmpty
	case h.Strict:
		options.Policy = template.Strict
	}
	if !h.hasDocument() {
		own, err := h.inline(o, options)
		if err != nil {
			return nil, err
		}
		return httpdest.FromDefinition(own), nil
	}
	name := "document"
	if h.Document == nil {
		var err error
		if name, err = fileSetting(o, "definition", h.Definition); err != nil {
			return nil, err
		}
	}
	if len(h.Headers) == 0 && h.URL == "" {
		return h.document(o, name, options)
	}
	over, err := h.inline(o, options)
	if err != nil {
		return nil, err
	}
	options.URL = h.URL
	own, err := h.document(o, name, options)
	if err != nil || len(h.Headers) == 0 {
		return own, err
	}
	return &overlaid{document: own, over: httpdest.FromDefinition(over), secret: secretOf(own.Definition, over)}, nil
}

// document loads the webhook document, and says what may be wrong with it.
func (h *HTTP) document(o guest.DestinationOptions, name string, options definition.Options) (*httpdest.Document, error) {
	doc, err := h.load(name, options)
	if err != nil {
		return nil, err
	}
	if err := h.checkVariables(doc); err != nil {
		return nil, err
	}
	address := written(o, doc.URL)
	for _, p := range doc.Problems {
		if !h.settles(p) && !local(p, address) {
			o.Logger.Warn("webhook definition", zap.String("file", name), zap.Int("line", p.Line), zap.String("problem", p.String()))
		}
	}
	exposeClear(o, "url", address)
	if err := outbound.CheckURL(address, h.AllowHTTP, true); err != nil {
		return nil, fmt.Errorf("%s: url: %w", name, err)
	}
	return httpdest.FromDefinition(doc), nil
}

// load reads the document, from its file or from the configuration.
func (h *HTTP) load(name string, options definition.Options) (*definition.Definition, error) {
	if h.Document == nil {
		return definition.Load(name, options)
	}
	options.Name = name
	doc, _, err := definition.Parse(h.Document, options)
	return doc, err
}

// settles reports whether the configuration has taken the place of what the problem is about.
func (h *HTTP) settles(p definition.Problem) bool {
	if p.Field == "" && strings.HasPrefix(p.Message, "the request has no body") {
		return h.PassThrough
	}
	for name := range h.Headers {
		if strings.EqualFold(name, p.Field) {
			return true
		}
	}
	if h.APIKey != nil {
		return strings.EqualFold(h.APIKey.Header, p.Field)
	}
	return h.given() > 0 && strings.EqualFold(p.Field, "Authorization")
}

// written is a URL with its placeholders replaced and its variables as they are, for checks.
func written(o guest.DestinationOptions, address string) string {
	return pieces.ReplaceAllStringFunc(address, func(piece string) string {
		if strings.HasPrefix(piece, "{{") {
			return piece
		}
		v, err := o.Resolve(piece)
		if err != nil {
			return piece
		}
		return strings.TrimRight(v, "\r\n")
	})
}

// pieces are the variables and the placeholders of a URL.
var pieces = regexp.MustCompile(`\{\{.*?\}\}|\{[A-Za-z_][\w-]*\.[^{}]+\}`)

// local reports whether the problem is http:// on the way to the own machine or network, which is none.
func local(p definition.Problem, address string) bool {
	return p.Field == "url" && strings.HasPrefix(p.Message, "http://") && outbound.CheckURL(address, false, true) == nil
}

// inline makes a definition of what stands in the configuration. One that only lies over another has no body.
func (h *HTTP) inline(o guest.DestinationOptions, options definition.Options) (*definition.Definition, error) {
	doc := map[string]any{"url": h.URL, "http_method": h.Method, "headers": h.Headers}
	all := make(map[string]string, len(h.Headers)+1)
	for name, value := range h.Headers {
		all[name] = value
		if secretName.MatchString(name) && !strings.Contains(value, "{") {
			if err := literal(o, "header "+name); err != nil {
				return nil, err
			}
		}
	}
	doc["headers"] = all
	options.Name = "destination " + o.Name
	body, file := h.Body, ""
	switch {
	case h.hasDocument():
		if h.URL == "" {
			doc["url"] = "https://unused.invalid/"
		}
		doc["http_method"] = http.MethodDelete // which has no body
	case h.BodyFile != "":
		name, err := fileSetting(o, "body_file", h.BodyFile)
		if err != nil {
			return nil, err
		}
		if body, err = readTemplate(name); err != nil {
			return nil, err
		}
		options.Name, file = name, name
	}
	if body != "" {
		doc["body_template"] = body
	}
	if h.ContentType != "" {
		all["Content-Type"] = h.ContentType
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	d, _, err := definition.Parse(text, options)
	if err != nil {
		return nil, relocated(err, file)
	}
	if err := h.checkVariables(d); err != nil {
		return nil, err
	}
	address := written(o, h.URL)
	if h.URL != "" {
		exposeClear(o, "url", address)
		if err := outbound.CheckURL(address, h.AllowHTTP, true); err != nil {
			return nil, within("url", err)
		}
	}
	if !h.hasDocument() {
		warnOfUnknown(o, d.Variables())
	}
	for _, p := range d.Problems {
		// Others are about parameters, which are not declared here, or about a body that the definition has.
		if p.Field != "" && !h.hasDocument() && !local(p, address) {
			o.Logger.Warn(p.Field + ": " + p.Message)
		}
	}
	return d, nil
}

// warnOfUnknown tells of variables that no call has, unless a parameter of that name was collected. One that is written as
// a parameter (params.x) or as a tenant's variable (vars.x) is what it says.
func warnOfUnknown(o guest.DestinationOptions, variables []string) {
	for _, v := range variables {
		if template.Known(v) {
			continue
		}
		text := "{{" + v + "}} is no field of the call; "
		if near := definition.Nearest(v, nil); near != "" {
			text += "did you mean {{" + near + "}}? It "
		} else {
			text += "it "
		}
		o.Logger.Warn(text + "is empty unless a parameter of that name was collected or the tenant's vars have it; if that is meant, write {{params." + v + "}} or {{vars." + v + "}}")
	}
}

// readTemplate reads a body_file.
func readTemplate(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", within("body_file", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, definition.DefaultMaxSize+1))
	if err != nil {
		return "", within("body_file", err)
	}
	if len(b) > definition.DefaultMaxSize {
		return "", fmt.Errorf("body_file: %s is larger than %d bytes; shorten it", name, definition.DefaultMaxSize)
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return "", fmt.Errorf("body_file: %s is empty; write the template of the body into it", name)
	}
	return string(b), nil
}

// relocated takes the places in the document that inline makes out of its errors, since nobody has written that
// document. Places in the body are those that were written. A body from a file has the file's name in front of it; what
// stands in the configuration has none, because the destination's is there already.
func relocated(err error, file string) error {
	switch e := err.(type) {
	case *definition.Error:
		own := *e
		own.Name, own.Line = file, 0
		return &own
	case *template.Error:
		own := *e
		own.Reason = strings.TrimPrefix(e.Reason, "body_template: ")
		if own.Name = file; !strings.HasSuffix(e.Name, " body_template") {
			own.Line, own.Column = 0, 0
		} else if file == "" {
			own.Name = "body"
		}
		return &own
	case interface{ Unwrap() []error }:
		var all []error
		for _, inner := range e.Unwrap() {
			if inner != definition.ErrInvalid {
				all = append(all, relocated(inner, file))
			}
		}
		return errors.Join(all...)
	}
	return err
}

// overlaid are the requests of a document with the headers of another over them.
type overlaid struct {
	document *httpdest.Document
	over     httpdest.Renderer
	secret   func(header string) bool
}

// Render implements httpdest.Renderer.
func (r *overlaid) Render(item destination.Item) (httpdest.Rendered, error) {
	out, err := r.document.Render(item)
	if err != nil {
		return out, err
	}
	over, err := r.over.Render(item)
	if err != nil {
		return httpdest.Rendered{}, err
	}
	for name, values := range over.Header {
		out.Header[name] = values
	}
	out.Warnings = slices.Concat(out.Warnings, over.Warnings)
	return out, nil
}

// ShowURL implements httpdest.Shower.
func (r *overlaid) ShowURL(item destination.Item) (string, error) { return r.document.ShowURL(item) }

// Secret reports whether a header is to be masked in previews.
func (r *overlaid) Secret(header string) bool { return r.secret(header) }

func secretOf(all ...*definition.Definition) func(string) bool {
	return func(header string) bool {
		return slices.ContainsFunc(all, func(d *definition.Definition) bool { return d.Secret(header) })
	}
}
