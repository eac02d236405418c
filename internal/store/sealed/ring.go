package sealed

import (
	"encoding/json"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// ByRing makes the payload of an event for its destinations, sealed with the first key of a ring; nil leaves it as it is.
func ByRing(keys *seal.Ring, e *store.Event, destinations []string) (p Payload, err error) {
	p.Body, p.Record, p.KeyID = e.Body, e.Record, keys.StoredID()
	r := newRequestJSON(e)
	if keys != nil {
		r.Destinations, r.Content = destinations, p.content()
	}
	if keys != nil || e.Method != "" || e.URI != "" || len(e.Header) > 0 {
		if p.Request, err = json.Marshal(r); err != nil {
			return p, err
		}
	}
	place, sealer := placeOf(e), keys.Sealer()
	return p, p.transform(func(column string, data []byte) ([]byte, error) {
		if place.Column = column; keys == nil {
			return data, nil
		}
		return sealer.Seal(data, place), nil
	})
}
