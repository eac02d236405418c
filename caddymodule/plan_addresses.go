package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/callgate/callgate/internal/gateway"
)

// privateRanges are what private_ranges stands for, as in Caddy's own matchers.
var privateRanges = []string{"192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "127.0.0.1/8", "fd00::/8", "::1"}

// ranges reads addresses and ranges of addresses.
func ranges(list []string) (all []netip.Prefix, err error) {
	for _, text := range list {
		if text == "private_ranges" {
			private, err := ranges(privateRanges)
			if err != nil {
				return nil, err
			}
			all = append(all, private...)
			continue
		}
		p, err := netip.ParsePrefix(text)
		if !strings.Contains(text, "/") {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil {
				p, err = a.Prefix(a.BitLen())
			}
		}
		if err != nil || p.Addr().Zone() != "" || p.Addr().Is4In6() {
			return nil, fmt.Errorf("remote_ip: %q is not an address or a range such as 203.0.113.0/24; write host names as the addresses that they have", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

var errNoAddresses = errors.New("verify none lets in whoever can reach the route; say with remote_ip which addresses the sender has, or, " +
	"if really everybody may send calls, remote_ip 0.0.0.0/0 ::/0")

// setAddresses settles from where requests are let in. Where nothing else is known of a sender that is all there is.
func (c *routeCompiler) setAddresses(pl *gateway.Plan, p Policy) (err error) {
	if pl.Addresses, err = ranges(p.RemoteIP); err != nil {
		return err
	}
	if pl.Scheme != "none" {
		return nil
	}
	if len(pl.Addresses) == 0 {
		return errNoAddresses
	}
	for _, r := range pl.Addresses {
		if r.Bits() < 8 {
			c.warn(pl.Tenant, "nothing is verified, and remote_ip has a range as large as "+r.String()+": nearly everybody can send calls here that nobody made")
			return nil
		}
	}
	c.warn(pl.Tenant, "nothing is verified but the address: whoever can send from remote_ip can send calls that nobody made")
	return nil
}
