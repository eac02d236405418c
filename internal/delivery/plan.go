package delivery

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/callgate/callgate/internal/store"
)

// plan says which lanes a gateway is to hold: every gateway works it out for itself from the same list, and they come to the
// same. A destination goes to one of those whose configuration has it, by rendezvous hashing, so that when one comes or
// goes as few lanes as possible change hands. Destinations of a group go together. The shards of a destination go to
// gateways in turns.
//
// While gateways have different configurations, as during a rolling change, they can differ about a destination's shards
// or group. Then the larger number of shards holds, and a group rather than none; those that say otherwise are passed
// over. What would part a group is held by nobody until they agree: deliveries wait, and no pace is exceeded.
func plan(self string, gateways []store.Gateway) map[store.Lane]bool {
	terms := map[string]store.Served{} // by destination, what holds
	for _, g := range gateways {
		for _, s := range g.Serves {
			if now, ok := terms[s.Destination]; !ok || prevails(s, now) {
				terms[s.Destination] = s
			}
		}
	}
	able := map[string][]string{} // gateways by destination
	members := map[string]int{}   // destinations by group
	for _, s := range terms {
		if s.Group != "" {
			members[s.Group]++
		}
	}
	whole := map[string][]string{} // gateways that have all of a group, by group
	for _, g := range gateways {
		of := map[string]int{}
		for _, s := range g.Serves {
			if s == terms[s.Destination] {
				able[s.Destination] = append(able[s.Destination], g.ID)
				if s.Group != "" {
					of[s.Group]++
				}
			}
		}
		for group, n := range of {
			if n == members[group] {
				whole[group] = append(whole[group], g.ID)
			}
		}
	}
	mine := map[store.Lane]bool{}
	for name, s := range terms {
		from, key := able[name], "destination "+name
		if s.Group != "" {
			from, key = whole[s.Group], "group "+s.Group
		}
		if len(from) == 0 {
			continue
		}
		ranked := rank(key, from)
		shards := max(1, s.Shards)
		for i := range shards {
			if ranked[i%len(ranked)] == self {
				mine[store.Lane{Destination: name, Shard: i, Shards: shards}] = true
			}
		}
	}
	return mine
}

// prevails tells which of two opinions of a destination holds.
func prevails(a, b store.Served) bool {
	if a.Shards != b.Shards {
		return a.Shards > b.Shards
	}
	return a.Group > b.Group
}

// rank orders gateways for a key, the same on every gateway.
func rank(key string, gateways []string) []string {
	weigh := func(id string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(id))
		_, _ = h.Write([]byte{0})
		_, _ = h.Write([]byte(key))
		sum := h.Sum64() // whose high bits depend little on the last bytes, so they are mixed
		sum ^= sum >> 33
		sum *= 0xff51afd7ed558ccd
		sum ^= sum >> 33
		sum *= 0xc4ceb9fe1a85ec53
		return sum ^ sum>>33
	}
	return slices.SortedFunc(slices.Values(gateways), func(a, b string) int {
		return cmp.Or(cmp.Compare(weigh(b), weigh(a)), cmp.Compare(a, b))
	})
}
