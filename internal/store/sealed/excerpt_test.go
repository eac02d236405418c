package sealed

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// noRows is a KeyTable that cannot be read.
type noRows struct{ err error }

func (n noRows) DataKey(context.Context, seal.KeyID) (seal.DataKey, bool, error) {
	return seal.DataKey{}, false, n.err
}

func (n noRows) CurrentDataKey(context.Context, string) (seal.DataKey, bool, error) {
	return seal.DataKey{}, false, n.err
}

func (n noRows) AddDataKey(context.Context, seal.DataKey) (seal.DataKey, error) {
	return seal.DataKey{}, n.err
}

// TestExcerptsDoNotHoldAttemptsUp: an excerpt is sealed if it can be, and left out if not; only what is wrong with the store is an
// error.
func TestExcerptsDoNotHoldAttemptsUp(t *testing.T) {
	broken := errors.New("broken")
	keys := func(tenants bool, err error) *seal.Keys {
		k := seal.NewKeys(testRing(t), noRows{err}, seal.Wrapping{Tenants: tenants}, time.Now, func(string, error) {})
		t.Cleanup(k.Close)
		return k
	}
	place := ExcerptPlace("d", "acme", "crm", 1)
	for name, tt := range map[string]struct {
		keys              *seal.Keys
		excerpt           string
		tenant, err       error
		kept, seals, told bool
	}{
		"nothing":                     {keys: keys(true, nil)},
		"without keys":                {excerpt: "thanks", kept: true},
		"with the ring":               {keys: keys(false, nil), excerpt: "thanks", tenant: broken, kept: true, seals: true}, // whose it is nobody asks
		"erased meanwhile":            {keys: keys(true, nil), excerpt: "thanks", tenant: store.ErrNotFound},
		"a key that cannot be had":    {keys: keys(true, seal.ErrUnavailable), excerpt: "thanks", told: true},
		"a key that is not there":     {keys: keys(true, seal.ErrNoKey), excerpt: "thanks", told: true},
		"a store that cannot be read": {keys: keys(true, nil), excerpt: "thanks", tenant: broken, err: broken},
	} {
		told := false
		x, err := PrepareExcerpt(t.Context(), tt.keys, &store.Attempt{Excerpt: []byte(tt.excerpt)}, lanes.Key{},
			func(context.Context, lanes.Key) (string, error) { return "acme", tt.tenant }, func(string, error) { told = true })
		if !errors.Is(err, tt.err) || told != tt.told {
			t.Errorf("%s: %v, told %v", name, err, told)
		}
		if err != nil {
			continue
		}
		data, keyID := x.Seal(place), x.KeyID()
		if (data != nil) != tt.kept || (keyID != nil) != tt.seals {
			t.Errorf("%s: %q, key %x", name, data, keyID)
		}
		if tt.seals {
			opener := tt.keys.Opener(t.Context())
			data, err = opener.Open(data, place)
		}
		if tt.kept && (err != nil || string(data) != tt.excerpt) {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}
