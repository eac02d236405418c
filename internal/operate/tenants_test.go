package operate

import (
	"reflect"
	"testing"
	"time"
)

func TestTenantsWithHowTheyDo(t *testing.T) {
	metered(t, func(t *testing.T, g *gateway) {
		g.Service.o.Names = func() Names { return Names{Tenants: []string{"acme", "gamma"}} }
		g.Service.o.Faulty = func() []string { return []string{"delta"} }
		g.accept("acme")
		g.crm.slow.Store(true)
		since := time.Now().UTC()
		g.accept("beta")
		g.accept("beta")
		time.Sleep(2 * time.Minute)
		l, err := g.Tenants(t.Context(), somebody)
		want := []TenantView{
			{Name: "acme", Known: true, Delivered: 2, Accepted: 1, Attempted: 2, Succeeded: 2},
			{Name: "beta", Pending: 2, Delivered: 2, Accepted: 2, Attempted: 6, Succeeded: 2, FailingSince: since},
			{Name: "delta", Faulty: true},
			{Name: "gamma", Known: true},
		}
		if err != nil || !reflect.DeepEqual(l.Tenants, want) {
			t.Errorf("%+v, %v\nwant %+v", l, err, want)
		}
		if l, err = g.Tenants(t.Context(), boundTo("acme", "epsilon")); err != nil || !reflect.DeepEqual(l.Tenants, want[:1]) {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
