package caddymodule

import (
	"errors"
	"fmt"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/manage"
)

// secretOwners are the tenants of a route by what verifies their requests.
type secretOwners map[string]string

var errNoOwnSecret = errors.New("it has no secret of its own, so what was signed for one tenant of this route would be accepted for " +
	"it too, and the other way round; give it a secret, or write shared_secret on the source or route if the sender has one " +
	"secret for all tenants")

// claim refuses a tenant that has nothing of its own to verify with, or the same as another: where the request says which
// tenant it is for, who may send for one could send for the other, and one request could be sent again to both. layers are
// the tenant's own settings, and p is what comes of them. keys are what the tenant owns then.
func (o secretOwners) claim(tenant string, layers []Policy, p Policy) (keys []string, err error) {
	if p.SharedSecret {
		return nil, nil
	}
	own := false
	for _, l := range layers {
		_, byScheme := l.verify.(guest.Described)
		own = own || len(l.Secrets) > 0 || len(l.PublicKeys) > 0 || l.verify != nil && !byScheme
	}
	if !own {
		return nil, errNoOwnSecret
	}
	for what, list := range map[string][]string{"secret": p.Secrets, "public_key": p.PublicKeys} {
		for _, s := range list {
			v, err := secret.Resolve(s)
			if err != nil {
				continue // whoever makes the verifier says so
			}
			if other, taken := o[what+v]; taken && other != tenant {
				says := func(of string) string {
					return fmt.Sprintf("it has the same %s as %s, so what was signed for one would be accepted for the other; "+
						"give it another, or write shared_secret on the source or route if the sender has one for all tenants", what, of)
				}
				return keys, &manage.OfAnother{Tenant: other, Text: says("tenant " + other), Unnamed: says("another tenant")}
			}
			o[what+v] = tenant
			keys = append(keys, what+v)
		}
	}
	return keys, nil
}
