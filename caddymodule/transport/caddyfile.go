package transport

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// UnmarshalCaddyfile sets up the transport from Caddyfile tokens. Syntax:
//
//	transport callgate {
//	    max_request_body <size>
//	    <any option of transport http, except compression>
//	}
//
// The options of transport http are, among others: dial_timeout, response_header_timeout, read_timeout, write_timeout,
// max_response_header, max_conns_per_host, keepalive <duration>, keepalive_idle_conns_per_host, tls,
// tls_insecure_skip_verify, tls_server_name, tls_trust_pool, tls_client_auth, resolvers, versions.
// "compression off" is accepted, as this is how it is.
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume transport name
	// Our option is read here; Caddy reads the others, each in a block of its own, so that an error points at the
	// right line.
	for d.NextBlock(0) {
		if d.Val() != "max_request_body" {
			if err := t.standardOption(d); err != nil {
				return err
			}
			continue
		}
		if t.MaxRequestBody != 0 {
			return d.Err("max_request_body is given twice; keep one of them")
		}
		var text string
		if !d.AllArgs(&text) {
			return d.ArgErr()
		}
		size, err := humanize.ParseBytes(text)
		if err != nil || size == 0 || size > 1<<40 {
			return d.Errf("max_request_body %s is not a size; write for example %s", strconv.Quote(text), "64KiB")
		}
		t.MaxRequestBody = int64(size)
	}
	return nil
}

// standardOption gives one option, with its block if it has one, to the standard transport.
func (t *Transport) standardOption(d *caddyfile.Dispenser) error {
	option := d.NextSegment()
	head := d.Token()
	name, open, end := head, head, head
	name.Text, open.Text, end.Text = "callgate", "{", "}"
	end.Line++
	tokens := append([]caddyfile.Token{name, open}, option...)
	return t.HTTPTransport.UnmarshalCaddyfile(caddyfile.NewDispenser(append(tokens, end)))
}

var _ caddyfile.Unmarshaler = (*Transport)(nil)
