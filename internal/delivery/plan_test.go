package delivery

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/callgate/callgate/internal/store"
)

func gateways(serves []store.Served, ids ...string) []store.Gateway {
	var all []store.Gateway
	for _, id := range ids {
		all = append(all, store.Gateway{ID: id, Serves: serves})
	}
	return all
}

func served(names ...string) (all []store.Served) {
	for _, name := range names {
		all = append(all, store.Served{Destination: name, Shards: 1})
	}
	return all
}

// planned is who is to hold each lane. Nobody else may think that it is to.
func planned(t *testing.T, all []store.Gateway) map[store.Lane]string {
	t.Helper()
	holder := map[store.Lane]string{}
	for _, g := range all {
		for lane := range plan(g.ID, all) {
			if other, twice := holder[lane]; twice {
				t.Errorf("%+v is planned for %s and %s", lane, other, g.ID)
			}
			holder[lane] = g.ID
		}
	}
	return holder
}

func TestEveryLaneIsPlannedForOneGateway(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprint("d", i))
	}
	before := planned(t, gateways(served(names...), "a", "b", "c"))
	counts := map[string]int{}
	for _, g := range before {
		counts[g]++
	}
	if len(before) != 300 {
		t.Errorf("%d lanes are planned", len(before))
	}
	for _, id := range []string{"a", "b", "c"} {
		if n := counts[id]; n < 70 || n > 130 {
			t.Errorf("%s is to hold %d of 300 lanes", id, n)
		}
	}
	// One goes: nothing moves but what was its own.
	moved := 0
	for lane, g := range planned(t, gateways(served(names...), "a", "c")) {
		if before[lane] != g {
			moved++
			if before[lane] != "b" {
				t.Errorf("%s moved from %s to %s", lane.Destination, before[lane], g)
			}
		}
	}
	if moved != counts["b"] {
		t.Errorf("%d lanes moved, and %d had lost their gateway", moved, counts["b"])
	}
}

func TestPlanGoesByWhatGatewaysCanServe(t *testing.T) {
	all := append(gateways(served("crm", "ehr"), "a"), gateways(served("crm"), "b")...)
	holder := planned(t, all)
	if holder[store.Lane{Destination: "ehr", Shards: 1}] != "a" {
		t.Errorf("planned: %v", holder)
	}
	if len(planned(t, gateways(nil, "a", "b"))) != 0 {
		t.Error("gateways that serve nothing are to hold lanes")
	}
}

func TestShardsGoToAllGateways(t *testing.T) {
	holder := planned(t, gateways([]store.Served{{Destination: "big", Shards: 6}}, "a", "b", "c"))
	counts := map[string]int{}
	for lane, g := range holder {
		if lane.Shards != 6 {
			t.Errorf("lane %+v", lane)
		}
		counts[g]++
	}
	if want := map[string]int{"a": 2, "b": 2, "c": 2}; !maps.Equal(counts, want) {
		t.Errorf("shards of each gateway: %v", counts)
	}
}

func TestAGroupGoesTogether(t *testing.T) {
	for i := range 40 {
		group := fmt.Sprint("account", i)
		all := gateways([]store.Served{{Destination: "x", Shards: 1, Group: group}, {Destination: "y", Shards: 1, Group: group}, {Destination: "z", Shards: 1}}, "a", "b", "c")
		holder := planned(t, all)
		if x, y := holder[store.Lane{Destination: "x", Shards: 1}], holder[store.Lane{Destination: "y", Shards: 1}]; x != y || x == "" {
			t.Fatalf("group %s is parted between %q and %q", group, x, y)
		}
	}
}

// Gateways that know different configurations come to one plan all the same, in which nothing is delivered twice as fast.
func TestPlanOfGatewaysThatDiffer(t *testing.T) {
	old, young := gateways(served("crm"), "old"), gateways([]store.Served{{Destination: "crm", Shards: 2}}, "new")
	holder := planned(t, slices.Concat(old, young))
	if len(holder) != 2 || holder[store.Lane{Destination: "crm", Shard: 1, Shards: 2}] != "new" {
		t.Errorf("whole and in halves: %v", holder)
	}
	young = gateways([]store.Served{{Destination: "crm", Shards: 1, Group: "g"}, {Destination: "leads", Shards: 1, Group: "g"}}, "new")
	holder = planned(t, slices.Concat(old, young))
	if holder[store.Lane{Destination: "crm", Shards: 1}] != "new" || holder[store.Lane{Destination: "leads", Shards: 1}] != "new" {
		t.Errorf("alone and in a group: %v", holder)
	}
	// Neither has all of the group.
	some := gateways([]store.Served{{Destination: "crm", Shards: 1, Group: "g"}}, "a")
	others := gateways([]store.Served{{Destination: "leads", Shards: 1, Group: "g"}, {Destination: "mail", Shards: 1}}, "b")
	holder = planned(t, slices.Concat(some, others))
	if want := map[store.Lane]string{{Destination: "mail", Shards: 1}: "b"}; !maps.Equal(holder, want) {
		t.Errorf("a group that nobody has: %v", holder)
	}
}
