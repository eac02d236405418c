package destinations

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/outbound"
)

// Connection says how a receiving system, and its token server, are reached.
type Connection struct {
	// Proxy is the HTTP proxy that requests go through, as http://host:port or https://host:port, with user:password@
	// before the host where it wants them (Basic, percent-encoded); or "off" for none. The proxy resolves the receiver's
	// name. Default: what HTTPS_PROXY and HTTP_PROXY in the environment name, but for hosts of NO_PROXY and localhost.
	Proxy string `json:"proxy,omitempty"`

	// TLS is what the connection needs beyond the machine's certificate authorities.
	TLS *TLS `json:"tls,omitempty"`
}

// TLS is what a connection needs beyond the machine's certificate authorities.
type TLS struct {
	// Certificate and Key are PEM files with the certificate that the gateway shows, and its private key.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`

	// CA is a PEM file with the authorities that the receiver's certificate may come from, in place of the machine's. That
	// of a proxy at https:// is held to them too.
	CA string `json:"ca,omitempty"`

	// Pins are public keys of which the receiver must show one, as sha256// and the base64 of their SHA-256: that of now,
	// and perhaps that of its next certificate. The key decides alone then: authorities, names and dates do not count, so
	// that a certificate of its own making will do, and one without subjectAltName. The token server is verified as ever.
	// Excludes ca.
	Pins []string `json:"pins,omitempty"`

	// Unsafe lets the receiver speak a TLS as old as 1.0 or 1.1, with the ciphers of its time. Whoever is on the way can
	// read what is sent, and change it. Default: TLS 1.2 at least.
	Unsafe string `json:"unsafe,omitempty"`
}

// kept is what a kind's module holds until its configuration is no longer used.
type kept struct {
	clients []*outbound.Client
	tokens  []any // keys of rotations
	// made is a digest of what the last client was made from.
	made string
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
func (k *kept) client(o guest.DestinationOptions, way Connection) (*outbound.Client, error) {
	options := outbound.Options{Timeout: o.Timeout, AllowPrivate: true}
	if o.Bounds != nil {
		options.AllowPrivate, options.Fence = o.Bounds.AllowPrivate, o.Bounds.Fence
		switch { // who sees what is sent is for the configuration to say
		case way.Proxy != "" && way.Proxy != "off":
			return nil, errors.New("proxy: a document cannot name a proxy, which may see what is sent; name one in the configuration or the environment")
		case way.TLS != nil && way.TLS.Unsafe != "":
			return nil, errors.New("unsafe_tls: a document cannot allow an old TLS; have the destination in the configuration")
		}
	}
	k.made = ""
	if way.TLS != nil {
		var err error
		if options.TLS, k.made, err = way.TLS.config(o); err != nil {
			return nil, err
		}
		if err := way.TLS.trust(o, &options); err != nil {
			return nil, err
		}
	}
	proxies, err := way.proxy(o, &options)
	if err != nil {
		return nil, err
	}
	for _, p := range proxies {
		if p.Scheme == "https" && len(options.Pins) > 0 {
			return nil, errors.New("pin: the pins would be asked of the proxy too, which is reached by https://; name one at http://, or say proxy off")
		}
		k.made = digest(k.made, p.String())
	}
	c := outbound.NewClient(options)
	k.clients = append(k.clients, c)
	return c, nil
}

// proxy sets the proxy, if there is one, and returns those that there may be.
func (c Connection) proxy(o guest.DestinationOptions, into *outbound.Options) ([]*url.URL, error) {
	switch c.Proxy {
	case "off":
		return nil, nil
	case "":
		choose, proxies, err := outbound.EnvironmentProxy()
		if err != nil {
			return nil, fmt.Errorf("proxy: %w; or say proxy off for this destination", err)
		}
		for _, p := range proxies {
			o.Logger.Info("requests go through the proxy of the environment, unless NO_PROXY has the host", zap.String("proxy", p.Host))
		}
		into.Proxy = choose
		return proxies, nil
	}
	raw, err := setting(o, "proxy", c.Proxy)
	if err != nil {
		return nil, err
	}
	u, err := outbound.ParseProxy(raw)
	if err != nil {
		return nil, within("proxy", err)
	}
	if _, secret := u.User.Password(); secret && raw == c.Proxy {
		if err := literal(o, "proxy"); err != nil {
			return nil, err
		}
	}
	into.Proxy = http.ProxyURL(u)
	return []*url.URL{u}, nil
}

// exposeClear tells of an address to which calls or credentials would go unencrypted, off the machine.
func exposeClear(o guest.DestinationOptions, line, address string) {
	if outbound.InClear(address) {
		o.Exposes(guest.InClear, line+" at http://")
	}
}

// exposeAllowed tells of allow_http, whatever the addresses are at the moment.
func exposeAllowed(o guest.DestinationOptions, allowed bool) {
	if allowed {
		o.Exposes(guest.InClear, "allow_http")
	}
}

// trust sets what is trusted besides certificates, or in their place.
func (t *TLS) trust(o guest.DestinationOptions, into *outbound.Options) error {
	if len(t.Pins) > 0 && t.CA != "" {
		return errors.New("choose pin or ca: with a pin the key decides alone")
	}
	for _, text := range t.Pins {
		text, err := setting(o, "pin", text)
		if err != nil {
			return err
		}
		p, err := outbound.ParsePin(text)
		if err != nil {
			return within("pin", err)
		}
		into.Pins = append(into.Pins, p)
	}
	switch t.Unsafe {
	case "":
		return nil
	case "1.0":
		into.UnsafeTLS = tls.VersionTLS10
	case "1.1":
		into.UnsafeTLS = tls.VersionTLS11
	default:
		return fmt.Errorf("unsafe_tls %q: choose 1.0 or 1.1", t.Unsafe)
	}
	o.Exposes(guest.WeakTLS, "unsafe_tls "+t.Unsafe)
	o.Logger.Warn("the receiver may speak a TLS that is not safe: who is on the way can read calls and change them; put a TLS proxy before it when you can", zap.String("unsafe_tls", t.Unsafe))
	return nil
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

// lines are those that say how the receiver is reached. Syntax:
//
//	proxy <url>|off
//	client_cert | ca | pin | unsafe_tls ...   (see tlsLines)
func (c *Connection) lines() grammar.Lines {
	return grammar.Lines{"proxy": grammar.Text(&c.Proxy)}.With(tlsLines(&c.TLS))
}

// tlsLines are those of TLS. Syntax:
//
//	client_cert <certificate file> <key file>
//	ca          <file>
//	pin         <sha256//base64>...
//	unsafe_tls  1.0|1.1
func tlsLines(into **TLS) grammar.Lines {
	// The block is there once one of its lines is.
	of := func(line func(*TLS) grammar.Line) grammar.Line {
		return func(d *caddyfile.Dispenser) error {
			if *into == nil {
				*into = new(TLS)
			}
			return line(*into)(d)
		}
	}
	return grammar.Lines{
		"client_cert": of(func(t *TLS) grammar.Line {
			return func(d *caddyfile.Dispenser) error { return grammar.Exactly(d, &t.Certificate, &t.Key) }
		}),
		"ca":         of(func(t *TLS) grammar.Line { return grammar.Text(&t.CA) }),
		"pin":        of(func(t *TLS) grammar.Line { return grammar.List(&t.Pins) }),
		"unsafe_tls": of(func(t *TLS) grammar.Line { return grammar.Choice(&t.Unsafe, "1.0", "1.1") }),
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
