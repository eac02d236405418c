package operate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/source"
)

// PreviewInput is a payload and what it is taken for.
type PreviewInput struct {
	// Source is the name of a source of the configuration, or of a preset.
	Source string
	// Tenant is a tenant of the configuration, whose variables and settings apply.
	Tenant string
	// Region is the country whose national numbers are understood. Default: as configured.
	Region string
	// Destinations are what requests are wanted for.
	Destinations []string

	Body []byte
	// Header is the request's. A missing Content-Type is guessed from the body.
	Header http.Header
}

// Scene is what a configuration says of a payload: how it is read, and where it can go.
type Scene struct {
	Parser source.Parser
	// Vars are the tenant's variables.
	Vars map[string]string
	// Render gives the requests that a destination would send. Its error says why it can send none.
	Render func(name string, item destination.Item) ([]destination.Request, error)
}

// Preview is what a payload becomes: the call record, and the requests that each destination would send for it, with
// secrets masked.
type Preview struct {
	Call     *call.Call           `json:"call"`
	Requests []DestinationPreview `json:"requests,omitempty"`
}

// DestinationPreview is what one destination would send.
type DestinationPreview struct {
	Destination string                `json:"destination"`
	Requests    []destination.Request `json:"requests"`
	// Error says why the destination could not be rendered.
	Error string `json:"error,omitempty"`
}

// Preview reads a payload and renders what would be sent for it. Nothing is sent, and nothing is stored.
func (s *Service) Preview(_ context.Context, a Actor, in PreviewInput) (*Preview, error) {
	if err := s.begin(a, "Preview"); err != nil {
		return nil, err
	}
	if s.o.Scene == nil {
		return nil, &Error{Kind: ErrUnavailable, text: "there is no configuration whose sources and destinations could be asked"}
	}
	scene, err := s.o.Scene(&in)
	if err != nil {
		return nil, &Error{Kind: ErrBadRequest, cause: err, text: err.Error()}
	}
	header := in.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	body := openToken(in.Body)
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", guessContentType(body))
	}
	req := &source.Request{Body: body}
	identity, err := scene.Parser.Identify(req)
	if err != nil {
		return nil, unreadable(in.Source, err)
	}
	p := new(Preview)
	if p.Call, err = scene.Parser.Parse(req); err != nil {
		return nil, unreadable(in.Source, err)
	}
	item := destination.Item{
		DeliveryID: "preview", EventID: identity.EventID, Attempt: 1, Tenant: in.Tenant, Vars: scene.Vars, Call: p.Call,
		ReceivedAt: s.o.Now(), Body: in.Body, ContentType: header.Get("Content-Type"), Traceparent: header.Get("Traceparent"),
	}
	for _, name := range in.Destinations {
		made := DestinationPreview{Destination: name}
		if made.Requests, err = scene.Render(name, item); err != nil {
			made.Error = err.Error()
		}
		p.Requests = append(p.Requests, made)
	}
	return p, nil
}

func unreadable(source string, err error) error {
	return badRequest("the payload cannot be read as one of %s: %w", source, err)
}

// guessContentType tells JSON, XML and forms apart by their first character.
func guessContentType(body []byte) string {
	switch b := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))); {
	case len(b) > 0 && b[0] == '<':
		return "application/xml"
	case len(b) > 0 && b[0] != '{' && b[0] != '[' && b[0] != '"' && bytes.IndexByte(b, '=') > 0 && !bytes.ContainsAny(b[:bytes.IndexByte(b, '=')], " {\n"):
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// openToken is the claims of a payload that is sent as a JSON Web Token, and any other payload as it is.
func openToken(body []byte) []byte {
	parts := bytes.Split(bytes.TrimSpace(body), []byte("."))
	if len(parts) != 3 {
		return body
	}
	claims, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	if err != nil || !json.Valid(claims) {
		return body
	}
	return claims
}

// ErrPreview says that a destination could not render its requests; the preview tells which and why.
var ErrPreview = errors.New("not every destination could be rendered; see the errors in the output")

// Err is ErrPreview if a destination could not be rendered.
func (p *Preview) Err() error {
	for i := range p.Requests {
		if p.Requests[i].Error != "" {
			return ErrPreview
		}
	}
	return nil
}
