package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/operate"
)

func policy(t *testing.T, grants ...Grant) *Policy {
	t.Helper()
	p, err := New(grants)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNoRoleImpliesToReveal: also those that may do everything else, and whatever is added to the capabilities.
func TestNoRoleImpliesToReveal(t *testing.T) {
	for role, can := range Roles() {
		if role != "reveal" && slices.Contains(can, operate.Reveal) {
			t.Errorf("%s implies it", role)
		}
		if slices.Contains(can, operate.Maintain) {
			t.Errorf("%s may work on the store itself, which nobody may through a running gateway", role)
		}
	}
	if !slices.Equal(Roles()["reveal"], []operate.Capability{operate.Reveal}) {
		t.Errorf("reveal gives %v", Roles()["reveal"])
	}
	if !slices.Equal(Roles()["auditor"], []operate.Capability{operate.Audit}) {
		t.Errorf("an auditor sees more than the log: %v", Roles()["auditor"])
	}
}

// TestEveryRoleMayWhatItsRowSays has the whole table written down once more.
func TestEveryRoleMayWhatItsRowSays(t *testing.T) {
	want := map[string]string{
		"viewer": "view", "operator": "view operate", "builder": "view build", "auditor": "audit", "eraser": "erase",
		"reveal": "reveal", "admin": "view operate erase build audit",
	}
	for role := range Roles() {
		a := policy(t, Grant{Role: role, Users: []string{"ada"}}).Actor("ada", nil, "test")
		var may []string
		for _, c := range operate.Capabilities() {
			if a.May(c) {
				may = append(may, string(c))
			}
			if tenants, bound := a.Bound(c); bound == a.May(c) || tenants != nil {
				t.Errorf("%s: %s is bound to %v, %v", role, c, tenants, bound)
			}
		}
		if got := strings.Join(may, " "); got != want[role] {
			t.Errorf("%s may %s, want %s", role, got, want[role])
		}
	}
}

func TestWhoHasNoRoleMayNothing(t *testing.T) {
	p := policy(t, Grant{Role: "admin", Users: []string{"ada"}, Groups: []string{"dispatch", "a b"}})
	for _, tt := range []struct {
		user, groups string
		may          bool
	}{
		{"ada", "", true}, {"bob", "dispatch", true}, {"bob", "x,dispatch", true}, {"bob", " x , dispatch ", true}, {"bob", "a b", true},
		{"", "", false}, {"", "dispatch", false}, {"bob", "", false}, {"Ada", "", false}, {"ad", "", false}, {"adalbert", "", false},
		{"dispatch", "ada", false}, {"bob", "dispatchers", false}, {"bob", "dis", false}, {"bob", "Dispatch", false}, {"bob", "dispatch x", false},
		{"bob", "x;dispatch", false}, {"bob", "a", false}, {"ada,bob", "", false}, {"bob", ",,", false},
	} {
		a := p.Actor(tt.user, Groups(tt.groups), "test")
		if (a.May != nil) != tt.may || (len(a.Roles) > 0) != tt.may {
			t.Errorf("%q of %q: %v", tt.user, tt.groups, a.Roles)
		}
	}
}

// TestBoundsAreOfEachCapability: who sees one clinic and works for another does not work for the first.
func TestBoundsAreOfEachCapability(t *testing.T) {
	p := policy(t,
		Grant{Role: "viewer", Groups: []string{"clinics"}, Tenants: []string{"a", "b"}},
		Grant{Role: "operator", Groups: []string{"clinic-c"}, Tenants: []string{"c", "a"}},
		Grant{Role: "viewer", Groups: []string{"audit"}},
		Grant{Role: "reveal", Users: []string{"eve"}, Tenants: []string{"b"}},
	)
	for _, tt := range []struct{ user, groups, view, operate, reveal string }{
		{"bob", "clinics", "a b", "-", "-"},
		{"bob", "clinic-c", "c a", "c a", "-"},
		{"bob", "clinics,clinic-c", "a b c", "c a", "-"},
		{"bob", "clinic-c,audit", "*", "c a", "-"},
		{"eve", "", "-", "-", "b"},
		{"eve", "audit", "*", "-", "b"},
	} {
		a := p.Actor(tt.user, Groups(tt.groups), "test")
		of := func(c operate.Capability) string {
			tenants, bound := a.Bound(c)
			switch {
			case !a.May(c) && bound && tenants == nil:
				return "-"
			case !bound:
				return "*"
			}
			return strings.Join(tenants, " ")
		}
		if v, o, r := of(operate.View), of(operate.Operate), of(operate.Reveal); v != tt.view || o != tt.operate || r != tt.reveal {
			t.Errorf("%s of %s: view %s, operate %s, reveal %s", tt.user, tt.groups, v, o, r)
		}
	}
}

func TestGrantsThatCannotBeRightAreRefused(t *testing.T) {
	for says, grants := range map[string][]Grant{
		"nobody has a role":          nil,
		`no role "root"`:             {{Role: "root", Users: []string{"ada"}}},
		"name users or groups":       {{Role: "viewer"}},
		"a name is empty":            {{Role: "viewer", Users: []string{""}}},
		"matches nobody":             {{Role: "viewer", Groups: []string{"a,b"}}},
		"it would be of none":        {{Role: "viewer", Groups: []string{"a"}, Tenants: []string{}}},
		"is a variable of the envir": {{Role: "viewer", Groups: []string{"a"}, Tenants: []string{""}}},
	} {
		if _, err := New(grants); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", grants, err)
		}
	}
}
