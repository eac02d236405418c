package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// sharedStore is a kind of store in tests, test_shared: a gateway's way to a database that the test shares with it.
type sharedStore struct{}

// gatewaysStore is what a test_shared opens.
var gatewaysStore atomic.Pointer[storetest.SharedMemory]

func (*sharedStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.stores.test_shared", New: func() caddy.Module { return new(sharedStore) }}
}

func (*sharedStore) StoreKey() string { return fmt.Sprintf("test_shared:%p", gatewaysStore.Load()) }

func (*sharedStore) OpenStore(guest.StoreOptions) (store.Store, error) {
	return gatewaysStore.Load(), nil
}

func (*sharedStore) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

// registerShared makes the kind known, when a test needs it: what there is stands in messages that other tests compare.
var registerShared = sync.OnceFunc(func() { caddy.RegisterModule(new(sharedStore)) })

const sharedConfig = `{
	callgate {
		store test_shared
		encryption_key 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
		tenant acme {
			secret ` + testSecret + `
			rate_limit 8/h burst 8 burst_queue 1
		}
		destination crm http {
			url %[1]s/leads
			body "{}"
		}
		manage {
			allow_private
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		tenant {path.1}
		shared_secret
		deliver crm
	}
}`

// newSharedDatabase is a database for a gateway, and another gateway on it.
func newSharedDatabase(t *testing.T) (gateway, other *storetest.SharedMemory) {
	t.Helper()
	registerShared()
	db := storetest.NewDatabase(storetest.Options{Sealing: true})
	gateway, other = db.Open(), db.Open()
	gatewaysStore.Store(gateway)
	return gateway, other
}

// publishes is a service on the other gateway, which takes every document.
func publishes(s store.Store) *manage.Service {
	return manage.New(manage.Options{Store: s, Gateway: func() manage.Gateway { return takesEverything{} },
		Fingerprint: func(s string) string { return fmt.Sprint(len(s)) }})
}

type takesEverything struct{}

func (takesEverything) Taken(string, string) string                              { return "" }
func (takesEverything) Check(context.Context, *store.Document) ([]string, error) { return nil, nil }
func (takesEverything) Apply(context.Context, string, string) error              { return nil }

// until waits for something that happens soon.
func until(t *testing.T, what string, in time.Duration, is func() bool) {
	t.Helper()
	for end := time.Now().Add(in); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, in)
		}
	}
}

// What one gateway publishes, changes and removes is in force at the others within a second where they are not held up; it
// is waited for less long here than it takes until a gateway looks by itself.
func TestWhatAnotherGatewayPublishesIsInForce(t *testing.T) {
	c := newCRM(t)
	_, other := newSharedDatabase(t)
	g := runGateway(t, fmt.Sprintf(sharedConfig, c.URL))
	docs := publishes(other)
	change := func(_ *manage.Change, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	status := func() int {
		res, _ := g.send("/hook/zoe", `{"phone":"+14155550100"}`)
		return res.StatusCode
	}
	if got := status(); got != http.StatusNotFound {
		t.Fatalf("a tenant that there is not: %d", got)
	}
	change(docs.Save(t.Context(), "ann", manage.Tenant, "zoe", tenantDraft(true, testSecret, "")))
	until(t, "the tenant", 8*time.Second, func() bool { return status() == http.StatusOK })
	change(docs.Save(t.Context(), "ann", manage.Tenant, "zoe", tenantDraft(true, "another-secret-than-before", "")))
	until(t, "its new secret", 8*time.Second, func() bool { return status() == http.StatusForbidden })
	change(docs.Save(t.Context(), "ann", manage.Destination, "crm2", manage.Draft{Body: []byte(httpTo(c.URL, "")), Publish: true}))
	until(t, "the destination", time.Second, func() bool {
		list, err := someDispatcher(t).engine.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			if d.Name == "crm2" && d.Known {
				return true
			}
		}
		return false
	})
	change(docs.Remove(t.Context(), "ann", manage.Tenant, "zoe", "", false))
	until(t, "its removal", 8*time.Second, func() bool { return status() == http.StatusNotFound })
}

// A gateway starts while its database is away. It is not ready, refuses what it cannot keep with 503, also for tenants that
// it cannot know yet, and is there when the database is.
func TestAGatewayStartsWhileItsStoreIsAway(t *testing.T) {
	c := newCRM(t)
	own, other := newSharedDatabase(t)
	if _, err := publishes(other).Save(t.Context(), "ann", manage.Tenant, "zoe", tenantDraft(true, testSecret, "")); err != nil {
		t.Fatal(err)
	}
	own.Cut(true)
	g := runGateway(t, fmt.Sprintf(sharedConfig, c.URL))
	ready := func() bool {
		state, err := someDispatcher(t).operate.Ready(t.Context(), operate.Actor{Via: "test", May: func(operate.Capability) bool { return true }}, operate.ReadyInput{})
		if err != nil {
			t.Fatal(err)
		}
		return state.Ready
	}
	for _, tenant := range []string{"acme", "zoe"} {
		res, body := g.send("/hook/"+tenant, `{"phone":"+14155550100"}`)
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", tenant, res.StatusCode, body)
		}
	}
	if ready() {
		t.Error("ready without a store")
	}
	own.Cut(false)
	until(t, "ready", 10*time.Second, ready)
	for _, tenant := range []string{"acme", "zoe"} {
		if res, body := g.send("/hook/"+tenant, `{"phone":"+14155550100"}`); res.StatusCode != http.StatusOK {
			t.Errorf("%s, with the store: %d %s", tenant, res.StatusCode, body)
		}
		c.next(t)
	}
	if res, _ := g.send("/hook/nobody", `{"phone":"+14155550100"}`); res.StatusCode != http.StatusNotFound {
		t.Errorf("a tenant that there is not: %d", res.StatusCode)
	}
}

// A tenant that delivers to a destination which lives in the store too is in force when both are there, in whichever order
// this gateway learns of them.
func TestTenantsComeWithTheirDestinations(t *testing.T) {
	c, own := newCRM(t), newCRM(t)
	cut, other := newSharedDatabase(t)
	docs := publishes(other)
	save := func(kind, name string, draft manage.Draft) {
		t.Helper()
		if _, err := docs.Save(t.Context(), "ann", kind, name, draft); err != nil {
			t.Fatal(err)
		}
	}
	save(manage.Tenant, "zoe", tenantDraft(true, testSecret, `,"deliver":[{"to":"crm2"}]`))
	save(manage.Destination, "crm2", manage.Draft{Body: []byte(httpTo(own.URL, "")), Publish: true})
	save(manage.Tenant, "yann", tenantDraft(true, testSecret, `,"deliver":[{"to":"crm3"}]`))
	cut.Cut(true)
	g := runGateway(t, fmt.Sprintf(sharedConfig, c.URL))
	cut.Cut(false)
	status := func(tenant string) int {
		res, _ := g.send("/hook/"+tenant, `{"phone":"+14155550100"}`)
		return res.StatusCode
	}
	until(t, "the tenant of a destination that is there", 30*time.Second, func() bool { return status("zoe") == http.StatusOK })
	own.next(t)
	if got := status("yann"); got != http.StatusServiceUnavailable {
		t.Errorf("the tenant of one that is not there: %d", got)
	}
	save(manage.Destination, "crm3", manage.Draft{Body: []byte(httpTo(own.URL, "")), Publish: true})
	until(t, "the tenant whose destination has come", 30*time.Second, func() bool { return status("yann") == http.StatusOK })
	own.next(t)
	save(manage.Tenant, "xavi", tenantDraft(true, testSecret, `,"deliver":[{"to":"crm4"}]`))
	until(t, "the tenant of a destination that is to come", 30*time.Second, func() bool { return status("xavi") == http.StatusServiceUnavailable })
	if _, err := docs.Remove(t.Context(), "ann", manage.Tenant, "xavi", "", false); err != nil {
		t.Fatal(err)
	}
	until(t, "its removal", 30*time.Second, func() bool { return status("xavi") == http.StatusNotFound })
}

// What is in a store that cannot be read stays unknown, also while the configuration that has to know it is just starting, so
// that none is in force yet.
func TestWhatIsInAStoreThatIsAwayStaysUnknown(t *testing.T) {
	own, _ := newSharedDatabase(t)
	d := &dispatcher{store: own, logger: zap.NewNop()}
	d.documents = manage.New(manage.Options{Store: own, Gateway: d.manages})
	l := newLive(&App{})
	l.dispatcher = d
	l.behind.Store(true)
	d.lives = []*live{l}
	own.Cut(true)
	if again := d.catchUp(); !l.behind.Load() || again != followSoon {
		t.Errorf("without the store: behind %t, again in %s", l.behind.Load(), again)
	}
	own.Cut(false)
	if again := d.catchUp(); l.behind.Load() || again != followEvery {
		t.Errorf("with the store: behind %t, again in %s", l.behind.Load(), again)
	}
}

// A reload does not fail because the store is away.
func TestAReloadWhileTheStoreIsAway(t *testing.T) {
	c := newCRM(t)
	own, _ := newSharedDatabase(t)
	g := runGateway(t, fmt.Sprintf(sharedConfig, c.URL))
	own.Cut(true)
	g.config += "\n# another\n:0 {\n\tbind " + "unix/" + g.socket + "2\n\trespond 404\n}\n"
	g.start()
	if res, _ := g.send("/hook/acme", `{"phone":"+14155550100"}`); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a store: %d", res.StatusCode)
	}
	own.Cut(false)
	until(t, "an accepted call", 10*time.Second, func() bool {
		res, _ := g.send("/hook/acme", `{"phone":"+14155550100"}`)
		return res.StatusCode == http.StatusOK
	})
	c.next(t)
}

// Each gateway grants its part of a tenant's limit.
func TestTenantLimitsAreDivided(t *testing.T) {
	c := newCRM(t)
	_, other := newSharedDatabase(t)
	g := runGateway(t, fmt.Sprintf(sharedConfig, c.URL))
	if _, err := other.Heartbeat(t.Context(), store.Presence{Name: "other", Serves: []store.Served{}, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	until(t, "two gateways", 5*time.Second, func() bool { return someDispatcher(t).engine.Gateways() == 2 })
	granted := 0
	for i := range 12 {
		res, _ := g.send("/hook/acme", fmt.Sprintf(`{"phone":"+1415555%04d"}`, i))
		if res.StatusCode == http.StatusOK {
			granted++
		}
	}
	if granted != 5 { // half of a burst of 8 and a queue of 1, rounded up
		t.Errorf("%d of 12 calls were granted", granted)
	}
	if err := other.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "one gateway", 5*time.Second, func() bool { return someDispatcher(t).engine.Gateways() == 1 })
}

// A tenant that another gateway has published, and that is wrong by this one's configuration, is not one that there is not.
func TestATenantThatOnlyAnotherGatewayTakes(t *testing.T) {
	c := newCRM(t)
	_, other := newSharedDatabase(t)
	g := runGateway(t, fmt.Sprintf(sharedConfig, c.URL))
	if _, err := publishes(other).Save(t.Context(), "ann", manage.Tenant, "zoe", tenantDraft(true, testSecret, `,"a_newer_member":1`)); err != nil {
		t.Fatal(err)
	}
	until(t, "503", time.Second, func() bool {
		res, _ := g.send("/hook/zoe", `{"phone":"+14155550100"}`)
		return res.StatusCode == http.StatusServiceUnavailable
	})
	if _, err := publishes(other).Save(t.Context(), "ann", manage.Tenant, "zoe", tenantDraft(true, testSecret, "")); err != nil {
		t.Fatal(err)
	}
	until(t, "mended", time.Second, func() bool {
		res, _ := g.send("/hook/zoe", `{"phone":"+14155550100"}`)
		return res.StatusCode == http.StatusOK
	})
}

// Who shares the store stands in the metrics, and nothing where it is not shared.
func TestMetricsOfACluster(t *testing.T) {
	c := newCRM(t)
	_, other := newSharedDatabase(t)
	runGateway(t, fmt.Sprintf(sharedConfig, c.URL))
	if _, err := other.Heartbeat(t.Context(), store.Presence{Name: "other", Serves: []store.Served{}, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	until(t, "a cluster of two", 5*time.Second, func() bool {
		m := measured(t, clusterMetrics)
		return m["cluster_gateways"] == 2 && m["cluster_lanes own"] == 1 && m["cluster_lane_epoch crm"] > 0
	})
	if v, ok := measured(t, clusterMetrics)["database_dead_rows"]; ok {
		t.Errorf("a store that cannot tell has %v dead rows", v)
	}
}
