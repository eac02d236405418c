// Package access says who may do what: it makes of a person's name and groups, which somebody else has vouched for, an
// actor for internal/operate. Roles are sets of capabilities. Each grant of one can be bound to tenants, and none of them
// implies to see what callers said: that is a grant of its own.
package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/operate"
)

// roles are the capabilities of each role.
var roles = map[string][]operate.Capability{
	"viewer":   {operate.View},
	"operator": {operate.View, operate.Operate},
	"builder":  {operate.View, operate.Build},
	"auditor":  {operate.Audit},
	"eraser":   {operate.Erase},
	"admin":    {operate.View, operate.Operate, operate.Build, operate.Audit, operate.Erase},
	"reveal":   {operate.Reveal},
}

// Roles are the names of all roles, and of the capability reveal, with the capabilities of each.
func Roles() map[string][]operate.Capability { return maps.Clone(roles) }

// RoleNames are the names of Roles, sorted.
func RoleNames() []string { return slices.Sorted(maps.Keys(roles)) }

// Grant gives a role to some.
type Grant struct {
	// Role is one of Roles.
	Role string
	// Users and Groups are who has it, by their whole names. Letters are compared as they are.
	Users, Groups []string
	// Tenants are the only ones of which they have it; nil is all.
	Tenants []string
}

// Policy is who may do what.
type Policy struct{ grants []Grant }

// New checks grants and makes a policy of them.
func New(grants []Grant) (*Policy, error) {
	if len(grants) == 0 {
		return nil, errors.New("nobody has a role: give somebody one, such as viewer user alice")
	}
	for i := range grants {
		g := &grants[i]
		if roles[g.Role] == nil {
			return nil, fmt.Errorf("there is no role %q; there are: %s", g.Role, strings.Join(RoleNames(), ", "))
		}
		if len(g.Users)+len(g.Groups) == 0 {
			return nil, fmt.Errorf("%s: nobody has it: name users or groups", g.Role)
		}
		for _, names := range [][]string{g.Users, g.Groups, g.Tenants} {
			if slices.Contains(names, "") {
				return nil, fmt.Errorf("%s: a name is empty; is a variable of the environment not set?", g.Role)
			}
		}
		for _, group := range g.Groups {
			if strings.Contains(group, ",") || strings.TrimSpace(group) != group {
				return nil, fmt.Errorf("%s: group %q matches nobody: commas divide the names of groups, and spaces around them are left out", g.Role, group)
			}
		}
		if g.Tenants != nil && len(g.Tenants) == 0 {
			return nil, fmt.Errorf("%s: tenants is empty, so it would be of none; name them, or leave the line out", g.Role)
		}
	}
	return &Policy{slices.Clone(grants)}, nil
}

// Groups are the names in a text in which commas divide them.
func Groups(text string) (names []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// bound is of which tenants a capability was given.
type bound struct {
	all     bool
	tenants []string
}

// Actor is a person with what they may do. Without a name, or without a role, they may do nothing: May is nil.
func (p *Policy) Actor(user string, groups []string, via string) operate.Actor {
	a := operate.Actor{Name: user, Via: via}
	if user == "" {
		return a
	}
	may := map[operate.Capability]*bound{}
	for i := range p.grants {
		g := &p.grants[i]
		if !g.has(user, groups) {
			continue
		}
		if !slices.Contains(a.Roles, g.Role) {
			a.Roles = append(a.Roles, g.Role)
		}
		for _, c := range roles[g.Role] {
			if may[c] == nil {
				may[c] = new(bound)
			}
			b := may[c]
			b.all = b.all || g.Tenants == nil
			for _, t := range g.Tenants {
				if !slices.Contains(b.tenants, t) {
					b.tenants = append(b.tenants, t)
				}
			}
		}
	}
	if len(may) == 0 {
		return a
	}
	a.May = func(c operate.Capability) bool { return may[c] != nil }
	a.Bound = func(c operate.Capability) ([]string, bool) {
		b := may[c]
		if b == nil {
			return nil, true // of nothing, as long as they may not do it at all
		}
		if b.all {
			return nil, false
		}
		return slices.Clone(b.tenants), true
	}
	return a
}

// has reports whether somebody is one of those to whom the grant gives the role.
func (g *Grant) has(user string, groups []string) bool {
	return slices.Contains(g.Users, user) || slices.ContainsFunc(groups, func(name string) bool { return slices.Contains(g.Groups, name) })
}
