package destinations

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/condition"
)

// HTTPRequest is one request: what is sent, and what means success.
type HTTPRequest struct {
	// Definition is the file of a NextPhone webhook document (type, http_method, url, headers, body_template,
	// parameters), relative to the directory in which the gateway runs. The document says method and body; URL,
	// Headers and the login take the place of its own.
	Definition string `json:"definition,omitempty"`

	// Document is such a document itself, in place of the name of its file, without comments. It alone says the parts of a
	// multipart/form-data body, each of them a text, several values of one name, or a file with file_name, content_type and
	// value.
	Document json.RawMessage `json:"document,omitempty"`

	// URL is the address that requests go to. Scheme and host are constant, path and query may have {{variables}}.
	URL string `json:"url,omitempty"`

	// Method is POST, GET, PUT, PATCH or DELETE. Default: POST.
	Method string `json:"method,omitempty"`

	// Headers are sent with every request. Values may have {{variables}}.
	Headers map[string]string `json:"headers,omitempty"`

	// Body is the template of the body, and BodyFile a file that holds it.
	Body     string `json:"body,omitempty"`
	BodyFile string `json:"body_file,omitempty"`

	// FilesDigest is a digest of what was in the files of Definition and BodyFile when a Caddyfile was made into this
	// configuration, so that a reload sees that one of them has changed. It has no other effect. Default: none, as where the
	// files could not be read then.
	FilesDigest string `json:"files_digest,omitempty"`

	// ContentType says what the body is, and so how values are escaped in it: JSON, XML, a form, or text. With a charset
	// (iso-8859-1, iso-8859-15, windows-1252, us-ascii), as in "text/xml; charset=iso-8859-1", the body is written in that;
	// so is XML that declares one. What the charset does not have becomes a reference in XML and an escape in JSON. In
	// forms and text it is written as near to it as can be (typewriter quotes and dashes, letters without their marks,
	// EUR, and ? for the rest), and the delivery has a warning. Default: application/json, in UTF-8.
	ContentType string `json:"content_type,omitempty"`

	// PassThrough sends the provider's body and content type, byte for byte. Nothing can be kept back then: it excludes
	// fields, drop, mask and hash. Default: false.
	PassThrough bool `json:"pass_through,omitempty"`

	// OmitEmpty leaves out what no variable fills, Strict makes a missing variable an error, after which the delivery
	// is dead. Default: a missing variable is the empty string.
	OmitEmpty bool `json:"omit_empty,omitempty"`
	Strict    bool `json:"strict,omitempty"`

	// Success are statuses from 300 on that mean delivered besides 2xx.
	Success []int `json:"success,omitempty"`

	// SuccessIf is a CEL expression over status, header, body (JSON or XML) and text that must hold besides, such as
	// body.success == true, !has(body.errors) or body.Response.Status != "ERROR". What does not meet it is sent again.
	// Default: the status decides.
	SuccessIf string `json:"success_if,omitempty"`

	// AnyAnswer takes SOAP faults, and web pages in answer to JSON or XML, for delivered when their status is 2xx. By
	// default they are failures, whatever the status.
	AnyAnswer bool `json:"any_answer,omitempty"`

	// Poll asks for the outcome where the receiver answers 202 and says where to ask. Default: none, and a 202 means
	// delivered.
	Poll *HTTPPoll `json:"poll,omitempty"`
}

// lines are the lines of a request.
func (h *HTTPRequest) lines() grammar.Lines {
	lines := grammar.Lines{
		"definition":   grammar.Text(&h.Definition),
		"document":     h.unmarshalDocument,
		"url":          onlyOnce(&h.URL),
		"method":       grammar.Choice(&h.Method, methods...),
		"header":       grammar.Pairs(&h.Headers),
		"body":         grammar.Text(&h.Body),
		"body_file":    grammar.Text(&h.BodyFile),
		"content_type": grammar.Text(&h.ContentType),
		"pass_through": grammar.Flag(&h.PassThrough),
		"omit_empty":   grammar.Flag(&h.OmitEmpty),
		"strict":       grammar.Flag(&h.Strict),
		"success":      h.unmarshalSuccess,
		"any_answer":   grammar.Flag(&h.AnyAnswer),
		"poll":         h.unmarshalPoll,
	}
	return lines
}

// unmarshalDocument reads a document that stands in the Caddyfile.
func (h *HTTPRequest) unmarshalDocument(d *caddyfile.Dispenser) error {
	var text string
	if err := grammar.Text(&text)(d); err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return d.Errf("document is no JSON: %v; comments and the like can stand in a file, which definition names", err)
	}
	h.Document = compact.Bytes()
	return nil
}

// methods are the methods of requests.
var methods = []string{"POST", "GET", "PUT", "PATCH", "DELETE"}

func (h *HTTPRequest) unmarshalSuccess(d *caddyfile.Dispenser) error {
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	for _, a := range args {
		n, err := strconv.Atoi(a)
		switch {
		case err == nil && (n < 300 || n > 599):
			return d.Errf("'%s' is not a status from 300 to 599; 2xx is success already", a)
		case err == nil:
			h.Success = append(h.Success, n)
		case h.SuccessIf != "":
			return d.Errf("'%s' is a second expression; join the two with &&, in backquotes", a)
		default:
			h.SuccessIf = a
		}
	}
	return nil
}

// success is the compiled condition; nil if there is none.
func (h *HTTPRequest) success() (*condition.Success, error) {
	if h.SuccessIf == "" {
		return nil, nil
	}
	c, err := condition.CompileSuccess(h.SuccessIf)
	if err != nil {
		return nil, fmt.Errorf("success: %w", err)
	}
	return c, nil
}

// hasDocument reports whether a NextPhone document says what to send.
func (h *HTTPRequest) hasDocument() bool { return h.Definition != "" || h.Document != nil }

// check says which settings do not go together.
func (h *HTTPRequest) check() error {
	body := h.Body != "" || h.BodyFile != ""
	switch {
	case h.Definition != "" && h.Document != nil:
		return errors.New("choose definition or document")
	case !h.hasDocument() && h.URL == "":
		return errors.New("an http destination needs a definition or a url")
	case h.hasDocument() && (h.Method != "" || body || h.ContentType != ""):
		return errors.New("method, body, body_file and content_type belong into the definition, which says them already")
	case h.Body != "" && h.BodyFile != "":
		return errors.New("choose body or body_file")
	case h.PassThrough && (body || h.ContentType != ""):
		return errors.New("pass_through sends the provider's body; remove body, body_file and content_type")
	case h.OmitEmpty && h.Strict:
		return errors.New("choose omit_empty or strict")
	case !h.hasDocument() && !body && !h.PassThrough && h.Method != http.MethodGet && h.Method != http.MethodDelete:
		return errors.New("nothing says what to send; give a body, a body_file, a definition, or pass_through")
	}
	return nil
}
