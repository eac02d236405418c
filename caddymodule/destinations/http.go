package destinations

import (
	"errors"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/httpdest"
)

func init() {
	caddy.RegisterModule(new(HTTP))
}

// HTTP delivers calls to any HTTP endpoint: by a NextPhone webhook document, by a template that stands in
// the configuration, or by passing the provider's own request on.
//
// A destination may be several requests (step), each with values of the answers before it.
//
// In templates {{name}} is a field of the call, a collected parameter or a variable of the tenant. In url and header
// values, placeholders such as {env.NAME} and {file./path} are replaced when the configuration is loaded.
type HTTP struct {
	HTTPRequest

	// Steps are the requests of a destination that takes several, in their order, each with values of the answers before:
	// {{steps.contact.id}} is what the step contact keeps as id. A step that was carried out is not sent again when a later
	// one fails: the next attempt goes on there, also after a restart. URL, Method and the body belong into the steps then;
	// Headers go out with each of them, and the destination's timeout bounds all steps of an attempt together. Default: none, and the destination is one request.
	Steps []*HTTPStep `json:"steps,omitempty"`

	// AllowHTTP lets calls go unencrypted to hosts that are not in the own network. Default: false.
	AllowHTTP bool `json:"allow_http,omitempty"`

	Login
	Connection

	// before are the names that the steps before this request keep.
	before map[string][]string

	kept
}

// CaddyModule returns the Caddy module information.
func (*HTTP) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.destinations.http", New: func() caddy.Module { return new(HTTP) }}
}

// UnmarshalCaddyfile sets up the destination from Caddyfile tokens. Syntax:
//
//	http [<url>] {
//		definition   <file>
//		document     <json>
//		url          <url>
//		method       POST|GET|PUT|PATCH|DELETE
//		header       <name> <value>
//		body         <template>
//		body_file    <file>
//		content_type <media type>
//		pass_through
//		omit_empty
//		strict
//		success      <status>... [<expression>]
//		any_answer
//		poll         [<path or expression>] [{
//			every  <duration>
//			tries  <number>
//			within <duration>
//			done   <expression>
//			failed <expression>
//		}]
//		step         <name> {
//			post|put|patch|get|delete <url>
//			when <expression>
//			keep <name> <path or expression>
//			find <url> [{
//				keep <name> <path or expression>
//			}]
//			definition | document | url | method | header | body ...   (and all other lines of a request above)
//		}
//		allow_http
//		bearer | basic | digest | api_key | oauth2 ...   (see Login.lines)
//		proxy | client_cert | ca | pin | unsafe_tls ...   (see Connection.lines)
//	}
func (h *HTTP) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the kind's name
	if err := grammar.Optional(d, &h.URL); err != nil {
		return err
	}
	err := grammar.Block(d, h.HTTPRequest.lines().With(grammar.Lines{
		"step":       h.unmarshalStep,
		"allow_http": grammar.Flag(&h.AllowHTTP),
	}).With(h.Login.lines()).With(h.Connection.lines()), "header", "step")
	if err != nil {
		return err
	}
	h.FilesDigest = grammar.Digest(h.Definition, h.BodyFile)
	return grammar.Located(d, h.check())
}

// check says which settings do not go together.
func (h *HTTP) check() error {
	if len(h.Steps) == 0 {
		return h.HTTPRequest.check()
	}
	if h.OmitEmpty && h.Strict {
		return errors.New("choose omit_empty or strict")
	}
	return h.checkSteps()
}

// SendsAll implements guest.Wholesaler.
func (h *HTTP) SendsAll() bool {
	return h.PassThrough || slices.ContainsFunc(h.Steps, func(s *HTTPStep) bool { return s.PassThrough })
}

// NewDestination implements guest.Destination.
func (h *HTTP) NewDestination(o guest.DestinationOptions) (destination.Destination, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	exposeAllowed(o, h.AllowHTTP)
	client, err := h.client(o, h.Connection)
	if err != nil {
		return nil, err
	}
	auth, err := h.authorizer(&h.kept, o, client, h.AllowHTTP)
	if err != nil {
		return nil, err
	}
	if len(h.Steps) > 0 || h.Poll != nil {
		return h.chain(o, client, auth)
	}
	c, err := h.request(o)
	if err != nil {
		return nil, err
	}
	c.Auth, c.Sign, c.Client, c.AllowHTTP = auth, o.Sign, client, h.AllowHTTP
	return httpdest.New(c)
}

// request is what is configured of the one request.
func (h *HTTP) request(o guest.DestinationOptions) (c httpdest.Config, err error) {
	c = httpdest.Config{PassThrough: h.PassThrough, Success: h.Success, Plain: h.AnyAnswer}
	if c.Renderer, err = h.renderer(o); err != nil {
		return c, err
	}
	c.Condition, err = h.success()
	return c, err
}

// Interface guards
var (
	_ guest.Destination     = (*HTTP)(nil)
	_ caddyfile.Unmarshaler = (*HTTP)(nil)
	_ caddy.CleanerUpper    = (*HTTP)(nil)
)
