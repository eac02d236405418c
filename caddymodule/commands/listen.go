package commands

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// listening is what the flags of listen say.
type listening struct {
	scheme                                          schemeFlags
	publicKeys                                      []string
	forward, listen, config, adapter, route, tenant string
	destinations                                    []string
	show, unverified                                bool
	timeout                                         time.Duration
}

func fillListen(cmd *cobra.Command) {
	var l listening
	cmd.Use = "listen PRESET [--forward HOST:PORT] [--secret SECRET | --config FILE]"
	cmd.Long = `For developers: listens on this machine as a gateway with the preset would, and shows each call as it comes: whether it
is who it says it is, what is read in it, and with --destination what it would become. With --forward it is sent on, body
and headers as they came, and the answer goes back to the sender; without it the answer is 200. Nothing is stored, no rate is
limited, and a copy is told of but sent on. Until it is interrupted.

What it shows of callers is masked, unless --show is given.

With --config, sources, schemes, secrets, tenants and destinations are those of a configuration; PRESET may be a source of it
then. Without a secret one is made, and callgate trigger can sign with it. What is not verified is refused with 403, and sent
on only with --unverified. A vendor's service reaches this machine through a tunnel of yours; for a signature over the URL
the sender has to use the address that is printed.

Exit status: 0 when it is interrupted; 1 if it cannot listen, or if arguments or configuration are wrong.`
	cmd.Example = `  callgate listen retell --forward localhost:3000
  callgate listen retell --forward localhost:3000/hooks/retell --secret @retell.key --show
  callgate listen nextphone --config Caddyfile --tenant acme --destination crm`
	cmd.Args = oneArgument
	cmd.SilenceUsage = true
	l.scheme.add(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&l.publicKeys, "public-key", nil, "public key of the sender, or @FILE that holds it; can be repeated")
	fl.StringVarP(&l.forward, "forward", "f", "", "where calls are sent on to: host:port or a URL; with a path all go there, else to the path they came to")
	fl.StringVarP(&l.listen, "listen", "l", "127.0.0.1:0", "address to listen at; with port 0 a free one")
	fl.StringVarP(&l.config, "config", "c", "", "configuration file to take source, secrets and destinations from")
	fl.StringVarP(&l.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	fl.StringVar(&l.route, "route", "", "name of the route, if the configuration has several for the source")
	fl.StringVarP(&l.tenant, "tenant", "t", "", "tenant of the configuration that the calls are for")
	fl.StringArrayVarP(&l.destinations, "destination", "d", nil, "destination to show the requests of; can be repeated (default: those of the route)")
	fl.BoolVar(&l.show, "show", false, "show what callers said, their numbers and names, in full")
	fl.BoolVar(&l.unverified, "unverified", false, "send on also what is not verified, and say so")
	fl.DurationVar(&l.timeout, "timeout", 30*time.Second, "how long the receiver may take to answer")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
		defer stop()
		return l.run(ctx, cmd, args[0])
	}
}

func (l *listening) run(ctx context.Context, cmd *cobra.Command, name string) error {
	h, end, err := l.handler(cmd, name)
	if err != nil {
		return err
	}
	defer end()
	socket, err := net.Listen("tcp", l.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	at := socket.Addr().(*net.TCPAddr)
	if !at.IP.IsLoopback() {
		fmt.Fprintln(cmd.ErrOrStderr(), "Others can reach this address; what they send is shown here, and sent on if it is verified.")
	}
	h.out = cmd.OutOrStdout()
	fmt.Fprintf(h.out, "Listening for %s at http://%s\n", name, at)
	for _, line := range h.hints(name, "http://"+at.String()) {
		fmt.Fprintln(h.out, line)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler makes what answers requests; end lets go of the configuration.
func (l *listening) handler(cmd *cobra.Command, name string) (h *listener, end func(), err error) {
	h = &listener{name: name, input: operate.PreviewInput{Source: name, Tenant: l.tenant, Route: l.route, Destinations: l.destinations}, show: l.show, unverified: l.unverified, now: time.Now, seen: make(map[string]time.Time)}
	if h.forward, err = forwardURL(l.forward); err != nil {
		return nil, nil, err
	}
	h.client = &http.Client{Timeout: l.timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c, err := l.scheme.config(cmd)
	if err != nil {
		return nil, nil, err
	}
	if c.PublicKeys, err = keyValues(cmd, l.publicKeys); err != nil {
		return nil, nil, err
	}
	text, err := l.load()
	if err != nil {
		return nil, nil, err
	}
	if text == nil && (len(l.destinations) > 0 || l.tenant != "" || l.route != "") {
		return nil, nil, errors.New("destinations, tenants and routes are those of a configuration: give it with --config")
	}
	var known bool
	if h.preset, known = source.Find(name); text != nil {
		sender, err := caddymodule.OfflineSender(text, name, l.route, l.tenant)
		if err != nil {
			return nil, nil, err
		}
		h.preset, known, h.input.Source, h.input.Route = sender.Preset, true, sender.Source, sender.Route
		if c.Scheme == "" && len(c.Secrets)+len(c.PublicKeys) == 0 {
			c, c.PublicKeys = sender.Signature, sender.PublicKeys
		}
	}
	if !known {
		return nil, nil, noPreset(name)
	}
	if err := h.verifyWith(c); err != nil {
		return nil, nil, err
	}
	if h.service, end, err = caddymodule.OfflinePreview(text); err != nil {
		return nil, nil, err
	}
	return h, end, nil
}

func (l *listening) load() ([]byte, error) {
	if l.config == "" {
		return nil, nil
	}
	text, _, _, err := caddycmd.LoadConfig(l.config, l.adapter)
	return text, err
}

// verifyWith makes the verifier. Where there is no key, one is made.
func (h *listener) verifyWith(c signature.Config) (err error) {
	if c.Scheme == "" {
		c.Scheme = h.preset.Scheme
	}
	if c.Scheme == "" {
		return fmt.Errorf("%s has no scheme of its own: say with --scheme how it is signed, as in --scheme bearer, or give --config", h.preset.Name)
	}
	info, known := signature.Lookup(c.Scheme)
	if known && len(c.Secrets)+len(c.PublicKeys) == 0 {
		switch random := make([]byte, 32); {
		case info.NeedsSecret:
			_, _ = rand.Read(random) // never fails
			h.made = "whsec_" + base64.StdEncoding.EncodeToString(random)
			if c.Scheme == "basic" {
				h.made = "callgate:" + h.made
			}
			c.Secrets = []string{h.made}
		case info.NeedsPublicKey && c.Scheme != "rsa" && c.Scheme != "client_certificate":
			public, private, err := ed25519.GenerateKey(nil)
			if err != nil {
				return err
			}
			h.made = "whsk_" + base64.StdEncoding.EncodeToString(private)
			c.PublicKeys = []string{base64.StdEncoding.EncodeToString(public)}
		}
	}
	h.scheme, h.secrets = c.Scheme, c.Secrets
	h.verifier, err = signature.New(c)
	return err
}

// hints are what is printed once, about how calls come here. at is the listener's URL.
func (h *listener) hints(name, at string) (lines []string) {
	if h.forward != nil {
		lines = append(lines, "Forwarding to "+h.forward.String())
	}
	if h.made != "" {
		lines = append(lines, "No secret was given; one was made for as long as this runs. In another terminal:",
			fmt.Sprintf("  callgate trigger %s --to %s --secret %s", h.preset.Name, at, h.made)+h.schemeFlag())
	}
	setup := h.preset.Setup("the address of your tunnel")
	lines = append(lines, "At the sender:")
	for _, s := range setup.Steps {
		lines = append(lines, "  - "+s)
	}
	return append(lines, "  - The secret here: "+setup.Secret, "")
}

func (h *listener) schemeFlag() string {
	if h.scheme == h.preset.Scheme {
		return ""
	}
	return " --scheme " + h.scheme
}

// forwardURL reads --forward: a URL, or host:port with or without a path. It is nil where there is none.
func forwardURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) {
		return nil, fmt.Errorf("--forward %q is no address; write it as localhost:3000 or http://localhost:3000/hooks", s)
	}
	return u, nil
}
