package commands

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/doctor"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/source/samples"
)

// receiver is what is connected to: its name for people, and the address.
type receiver struct {
	name, host, address string
	tls                 bool
}

// receivers are the hosts that destinations would send a sample to, and the upstreams of routes.
func receivers(ctx context.Context, d *caddymodule.Diagnosis, config []byte) (all []receiver, err error) {
	seen := make(map[receiver]bool)
	add := func(r receiver) {
		key := r
		key.name = ""
		if !seen[key] {
			seen[key] = true
			all = append(all, r)
		}
	}
	if len(d.Destinations) > 0 {
		s, end, err := caddymodule.OfflinePreview(config)
		if err != nil {
			return nil, err
		}
		defer end()
		sample, _ := samples.Find("nextphone", "lead")
		for _, name := range d.Destinations {
			p, err := s.Preview(ctx, atThePrompt, operate.PreviewInput{Source: "nextphone", Destinations: []string{name}, Body: sample.Body})
			if err != nil {
				return nil, err
			}
			for _, delivery := range p.Deliveries {
				if delivery.Error != "" {
					d.Report.Add("receivers", doctor.Note, "destination "+name, "nothing could be made for a sample of a call, so that its host is not known: "+delivery.Error, "")
				}
				for _, r := range delivery.Requests {
					if u, err := url.Parse(r.URL); err == nil && u.Host != "" {
						add(receiver{"destination " + name, u.Hostname(), hostPort(u), u.Scheme == "https"})
					}
				}
			}
		}
	}
	for _, dial := range d.Upstreams {
		network, host, port, err := caddy.SplitNetworkAddress(dial)
		if err != nil || caddy.IsUnixNetwork(network) || host == "" || port == "" {
			continue // one that is found as it runs, or a socket
		}
		add(receiver{"receiver behind a route", host, net.JoinHostPort(host, port), false})
	}
	return all, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		if port = "80"; u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// soon is before the end of a certificate that somebody should know of.
const soon = 14 * 24 * time.Hour

// reachOne connects to a receiver, and looks at its certificate. It sends no request.
func (e *examining) reachOne(ctx context.Context, r *doctor.Report, to receiver) {
	ctx, stop := context.WithTimeout(ctx, e.timeout)
	defer stop()
	where := to.name + ", " + to.address
	began := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", to.address)
	if err != nil {
		r.Add("receivers", doctor.Warning, where, "it cannot be reached: "+dialReason(err), "look at its name, at the firewall between, and at a proxy that this machine has to use; calls wait for it for three days")
		return
	}
	defer conn.Close()
	took := time.Since(began).Round(time.Millisecond)
	if !to.tls {
		r.Add("receivers", doctor.Fine, where, fmt.Sprintf("it is there, within %s", took), "")
		return
	}
	secured := tls.Client(conn, &tls.Config{ServerName: to.host, MinVersion: tls.VersionTLS12})
	if err := secured.HandshakeContext(ctx); err != nil {
		r.Add("receivers", doctor.Warning, where, "it is there, and there is no TLS with it: "+err.Error(), "look at its certificate; the gateway holds the destination until it can be trusted")
		return
	}
	until := secured.ConnectionState().PeerCertificates[0].NotAfter
	if left := time.Until(until); left < soon {
		r.Add("receivers", doctor.Warning, where, fmt.Sprintf("its certificate holds for %d more days", int(left.Hours()/24)), "tell who runs it")
		return
	}
	r.Add("receivers", doctor.Fine, where, fmt.Sprintf("it is there, within %s, and its certificate holds until %s", took, until.Format(time.DateOnly)), "")
}

func dialReason(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
