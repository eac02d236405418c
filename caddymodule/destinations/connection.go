package destinations

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/outbound"
)

// TLS is what a connection needs beyond the machine's certificate authorities.
type TLS struct {
	// Certificate and Key are PEM files with the certificate that the gateway shows, and its private key.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`

	// CA is a PEM file with the authorities that the receiver's certificate may come from, in place of the machine's.
	CA string `json:"ca,omitempty"`
}

// kept is what a kind's module holds until its configuration is no longer used.
type kept struct {
	clients []*outbound.Client
	tokens  []any // keys of rotations
	// tls is a digest of the files that the last client was made from.
	tls string
}

// Cleanup implements caddy.CleanerUpper.
func (k *kept) Cleanup() error {
	for _, c := range k.clients {
		c.CloseIdle()
	}
	var err error
	for _, key := range k.tokens {
		_, e := rotations.Delete(key)
		err = errors.Join(err, e)
	}
	k.clients, k.tokens = nil, nil
	return err
}

// KeepsToBounds implements guest.Bounded.
func (*kept) KeepsToBounds() {}

// client makes the client of a destination. The operator has named where it goes, so that may be the own network.
func (k *kept) client(o guest.DestinationOptions, t *TLS) (*outbound.Client, error) {
	options := outbound.Options{Timeout: o.Timeout, AllowPrivate: true}
	if o.Bounds != nil {
		options.AllowPrivate, options.Fence = o.Bounds.AllowPrivate, o.Bounds.Fence
	}
	if t != nil {
		var err error
		if options.TLS, k.tls, err = t.config(o); err != nil {
			return nil, err
		}
	}
	c := outbound.NewClient(options)
	k.clients = append(k.clients, c)
	return c, nil
}

// config reads the files, and returns a digest of what is in them besides.
func (t *TLS) config(o guest.DestinationOptions) (conf *tls.Config, read string, err error) {
	conf = &tls.Config{MinVersion: tls.VersionTLS12}
	if (t.Certificate == "") != (t.Key == "") {
		return nil, "", errors.New("client_cert: give the certificate's file and its key's file")
	}
	if t.Certificate != "" {
		certificate, err := settingFile(o, "client_cert", t.Certificate)
		if err != nil {
			return nil, "", err
		}
		key, err := settingFile(o, "client_cert", t.Key)
		if err != nil {
			return nil, "", err
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, "", fmt.Errorf("client_cert: %w; give the names of two PEM files, the certificate's first", err)
		}
		conf.Certificates = []tls.Certificate{pair}
		read = digest(string(certificate), string(key))
	}
	if t.CA != "" {
		b, err := settingFile(o, "ca", t.CA)
		if err != nil {
			return nil, "", err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(b) {
			return nil, "", errors.New("ca: no certificate in the file; give a PEM file")
		}
		read = digest(read, string(b))
	}
	return conf, read, nil
}

// settingFile reads the file that a setting names.
func settingFile(o guest.DestinationOptions, what, raw string) ([]byte, error) {
	name, err := fileSetting(o, what, raw)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(name)
	return b, within(what, err)
}

// tlsLines are the lines client_cert and ca.
func tlsLines(into **TLS) grammar.Lines {
	t := func() *TLS {
		if *into == nil {
			*into = new(TLS)
		}
		return *into
	}
	return grammar.Lines{
		"client_cert": func(d *caddyfile.Dispenser) error { return grammar.Exactly(d, &t().Certificate, &t().Key) },
		"ca":          func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &t().CA) },
	}
}

// onlyOnce is the line of one argument that may stand behind the name of the kind too.
func onlyOnce(into *string) grammar.Line {
	return func(d *caddyfile.Dispenser) error {
		if *into != "" {
			return d.Errf("%s is given twice", d.Val())
		}
		return grammar.OneArg(d, into)
	}
}

// several are authorizers that apply together, such as a gateway's key in a header and an OAuth token.
type several []outbound.Authorizer

// together is one authorizer for all that are not nil, or nil.
func together(all ...outbound.Authorizer) outbound.Authorizer {
	var s several
	for _, a := range all {
		if a != nil {
			s = append(s, a)
		}
	}
	switch len(s) {
	case 0:
		return nil
	case 1:
		return s[0]
	}
	return s
}

// Apply implements outbound.Authorizer.
func (s several) Apply(ctx context.Context, req *http.Request) error {
	for _, a := range s {
		if err := a.Apply(ctx, req); err != nil {
			return err
		}
	}
	return nil
}

// Rejected implements outbound.Authorizer.
func (s several) Rejected(ctx context.Context, req *http.Request, status int, body []byte) bool {
	again := false
	for _, a := range s {
		again = a.Rejected(ctx, req, status, body) || again
	}
	return again
}

// Mask implements outbound.Authorizer.
func (s several) Mask(h http.Header) {
	for _, a := range s {
		a.Mask(h)
	}
}
