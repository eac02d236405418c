package sealed

import (
	"encoding/json"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// SealInColumns makes the payload of an event in the form in which each part has a column, which every version can read: for a
// store that gateways of several versions share.
func SealInColumns(sealer *seal.Sealer, e *store.Event, destinations []string) (p Payload, err error) {
	p.Body, p.Record = e.Body, e.Record
	if e.Call != nil {
		if p.Record, err = e.AppendRecord(nil); err != nil {
			return Payload{}, err
		}
	}
	if sealer != nil || e.Method != "" || e.URI != "" || len(e.Header) > 0 {
		r := newRequestJSON(e)
		if sealer != nil {
			r.Destinations, r.Content = destinations, p.content()
		}
		if p.Request, err = json.Marshal(r); err != nil {
			return p, err
		}
	}
	if sealer == nil {
		return p, p.transform(func(_ string, data []byte) ([]byte, error) { return data, nil })
	}
	p.KeyID = sealer.StoredID()
	place := placeOf(e)
	return p, p.transform(func(column string, data []byte) ([]byte, error) {
		place.Column = column
		return sealer.Seal(data, place), nil
	})
}
