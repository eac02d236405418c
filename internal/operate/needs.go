package operate

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/breaker"
)

// NeedKind is what a person is needed for.
type NeedKind string

// The kinds of needs, in the order in which they are told: what loses calls or keeps them from everybody first.
const (
	// NeedDiskLow is that the store's disk is about to be full. Value is the bytes that are free, and Threshold those that
	// should be.
	NeedDiskLow NeedKind = "disk_low"
	// NeedStoreFull is that the store is about to reach its max_size. Value and Threshold are bytes.
	NeedStoreFull NeedKind = "store_full"
	// NeedTrouble is trouble of the gateway's own, which Reason says.
	NeedTrouble NeedKind = "gateway_trouble"
	// NeedNotTaken is that a destination takes nothing: since Since every attempt met with Status or Reason, and Count calls
	// wait. Held is set where the gateway has stopped trying but for a probe now and then, and Breaker where the breaker is
	// open.
	NeedNotTaken NeedKind = "not_taken"
	// NeedUnknownName is that Count deliveries wait for a destination or a tenant that the configuration does not know, which
	// Reason names.
	NeedUnknownName NeedKind = "unknown_name"
	// NeedDead is that Count deliveries to a destination were given up, of all times.
	NeedDead NeedKind = "dead"
	// NeedFaultyTenant is that the gateway runs without a tenant because of a mistake in its settings.
	NeedFaultyTenant NeedKind = "faulty_tenant"
	// NeedShutOut is that all requests of a tenant, Count since Since, were refused with the code Reason, as not being signed with
	// its secret, on the route Name of Source: the secret was changed at the sender, or somebody else sends.
	NeedShutOut NeedKind = "shut_out"
	// NeedRefused is that a tenant's authentic requests were refused with the code Reason: Count since Since, on the route Name
	// of Source, the last of them within the last hour.
	NeedRefused NeedKind = "refused"
	// NeedLowSuccess, NeedSlow and NeedRetrySpike are that a destination is beyond a threshold of the guide: Value is per cent,
	// milliseconds, or how many times as many as usual.
	NeedLowSuccess NeedKind = "low_success"
	NeedSlow       NeedKind = "slow"
	NeedRetrySpike NeedKind = "retry_spike"
	// NeedWarning is that deliveries come back with a warning, such as that a field was left out: Count since Since.
	NeedWarning NeedKind = "warning"
	// NeedCheckpointLate is that a sink, Name, takes no checkpoints of the audit log since Since; Count records are not in any
	// that it took.
	NeedCheckpointLate NeedKind = "checkpoint_late"
	// NeedTestMode is that a destination sends nothing, since the gateway is in test mode.
	NeedTestMode NeedKind = "test_mode"
	// NeedPaused is that somebody paused a destination, for which Count calls wait.
	NeedPaused NeedKind = "paused"
	// NeedSecretUnused is that one of a tenant's secrets, which Name counts from 1, was not used for a day while another was: it
	// can be taken out.
	NeedSecretUnused NeedKind = "secret_unused"
)

// ranks is the order of the kinds.
var ranks = []NeedKind{
	NeedDiskLow, NeedStoreFull, NeedTrouble, NeedNotTaken, NeedUnknownName, NeedDead, NeedFaultyTenant, NeedShutOut, NeedRefused, NeedLowSuccess, NeedSlow,
	NeedRetrySpike, NeedWarning, NeedCheckpointLate, NeedTestMode, NeedPaused, NeedSecretUnused,
}

// Need is something that needs a person, as facts. Which members there are depends on its kind.
type Need struct {
	Kind        NeedKind `json:"kind"`
	Destination string   `json:"destination,omitempty"`
	Tenant      string   `json:"tenant,omitempty"`
	Source      string   `json:"source,omitempty"`
	Name        string   `json:"name,omitempty"`
	// Since is since when; the zero time if that is not known.
	Since time.Time `json:"since,omitzero"`
	Count int64     `json:"count,omitempty"`
	// Status is that of the last answer; 0 if there was none.
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
	Held   bool   `json:"held,omitempty"`
	// Breaker is its state if it is not closed.
	Breaker   string  `json:"breaker,omitempty"`
	Value     float64 `json:"value,omitempty"`
	Threshold float64 `json:"threshold,omitempty"`
}

type needs struct {
	now  time.Time
	list []Need
}

func (n *needs) add(need Need) { n.list = append(n.list, need) }

// sorted are the needs, worst first: by kind, then by how many calls they are of, then by how long they last.
func (n *needs) sorted() []Need {
	slices.SortStableFunc(n.list, func(a, b Need) int {
		if r := slices.Index(ranks, a.Kind) - slices.Index(ranks, b.Kind); r != 0 {
			return r
		}
		if a.Count != b.Count {
			return int(min(max(b.Count-a.Count, -1), 1))
		}
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Destination+"\x00"+a.Tenant, b.Destination+"\x00"+b.Tenant)
	})
	if n.list == nil {
		return []Need{}
	}
	return n.list
}

// notTakenAfter is after how many attempts in a row that failed a destination takes nothing: it may be one call's fault.
const notTakenAfter = 3

func (n *needs) ofDestination(d *DestinationView, v *view) {
	at := func(kind NeedKind) Need { return Need{Kind: kind, Destination: d.Name} }
	if d.Trouble != "" {
		need := at(NeedTrouble)
		need.Count, need.Reason = d.Pending, d.Trouble
		n.add(need)
	}
	open := d.Breaker == breaker.Open.String() || d.Breaker == breaker.HalfOpen.String()
	notTaken := d.Held != "" || open || d.FailedAttempts >= notTakenAfter && !v.taken
	switch {
	case d.TestMode:
		n.add(at(NeedTestMode))
	case d.Paused:
		need := at(NeedPaused)
		need.Count, need.Reason = d.Pending, d.PauseReason
		n.add(need)
	case notTaken:
		need := at(NeedNotTaken)
		need.Since, need.Status, need.Reason, need.Count, need.Held = d.FailingSince, d.LastStatus, d.LastReason, d.Pending, d.Held != ""
		if d.Held != "" && need.Reason == "" {
			need.Reason = d.Held
		}
		if open {
			need.Breaker = d.Breaker
		}
		n.add(need)
	}
	if d.Dead > 0 {
		need := at(NeedDead)
		need.Count = d.Dead
		n.add(need)
	}
	if !notTaken { // which says it already
		n.beyond(d, v)
	}
	for _, w := range v.warnings {
		need := at(NeedWarning)
		need.Since, need.Count, need.Reason = w.first.UTC(), w.count, w.text
		n.add(need)
	}
}

// beyond adds the thresholds that a destination is beyond.
func (n *needs) beyond(d *DestinationView, v *view) {
	for _, t := range []struct {
		is               bool
		kind             NeedKind
		value, threshold float64
	}{
		{d.LowSuccess, NeedLowSuccess, 100 * float64(v.hour.delivered) / float64(max(v.hour.attempts, 1)), LowSuccess},
		{d.Slow, NeedSlow, milliseconds(v.hour.quantile(.95)), milliseconds(SlowAttempt)},
		{d.RetrySpike, NeedRetrySpike, v.spike(), SpikeFactor},
	} {
		if t.is {
			n.add(Need{Kind: t.kind, Destination: d.Name, Value: t.value, Threshold: t.threshold})
		}
	}
}

// lowDisk is what should be free of a disk: a tenth, or less of a large one.
func lowDisk(size int64) int64 { return min(size/10, 1<<30) }

func (n *needs) ofStore(s *StoreView) {
	if low := lowDisk(s.DiskBytes); s.DiskBytes > 0 && s.DiskFree < low {
		n.add(Need{Kind: NeedDiskLow, Value: float64(s.DiskFree), Threshold: float64(low)})
	}
	if s.MaxBytes > 0 && s.Bytes >= s.MaxBytes/10*9 {
		n.add(Need{Kind: NeedStoreFull, Value: float64(s.Bytes), Threshold: float64(s.MaxBytes)})
	}
}

// unusedAfter is how long a secret is not used until it seems to be out of use.
const unusedAfter = 24 * time.Hour

// ofRotation adds the secrets that are used no more while another one is. It must have been looked for long enough.
func (n *needs) ofRotation(since time.Time, r *Rotation) {
	used := func(s SecretUse) bool { return !s.LastUsed.IsZero() && n.now.Sub(s.LastUsed) < unusedAfter }
	if !slices.ContainsFunc(r.Secrets, used) || n.now.Sub(since) < unusedAfter {
		return
	}
	for _, s := range r.Secrets {
		if !used(s) {
			n.add(Need{Kind: NeedSecretUnused, Tenant: r.Tenant, Source: r.Source, Name: strconv.Itoa(s.Secret), Since: s.LastUsed})
		}
	}
}

// NeedKinds are all kinds of needs, in the order in which they are told.
func NeedKinds() []NeedKind { return slices.Clone(ranks) }
