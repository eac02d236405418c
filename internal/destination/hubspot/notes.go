package hubspot

import (
	"context"
	"encoding/json"
	"time"
)

// HubSpot's search lags behind writes: "it may take a few moments" until a contact that was created is found, says its
// documentation of CRM search, and names no bound; 15 seconds have been seen. Meanwhile what was written is known from here.

// maxRecent bounds what is remembered of recent writes, and recently is for how long: longer than a search index lags.
// settling is how long a create whose answer was lost is waited for, before the contact is created again.
const (
	maxRecent = 4096
	recently  = 2 * time.Minute
	settling  = time.Minute
)

// Notes keeps what a destination knows of its own recent writes where a restart does not lose it, and other gateways that
// share the account find it. Without one, both are known inside one process only. Keys and values tell of callers (a
// number, a name): an implementation keeps them sealed, and the keys as keyed hashes.
type Notes interface {
	// Note keeps a value under a key until a time, in place of what was noted before.
	Note(ctx context.Context, key string, value []byte, until time.Time) error
	// Noted is the value that was noted under a key; nil when there is none, or its time is over.
	Noted(ctx context.Context, key string) (value []byte, err error)
	// Forget takes a note away.
	Forget(ctx context.Context, key string) error
}

// memo is a record that was written a moment ago, or that was perhaps.
type memo struct {
	ID string    `json:"id,omitempty"`
	At time.Time `json:"at"`
	// Name is the first and last name of a contact.
	Name [2]string `json:"name"`
	// Size is that of an engagement's text, in bytes.
	Size int `json:"size,omitempty"`
	// Email tells that the contact has an e-mail address.
	Email bool `json:"email,omitempty"`
	// Pending says that a create was sent whose outcome is not known, by Address if that is not empty.
	Pending bool   `json:"pending,omitempty"`
	Address string `json:"address,omitempty"`
}

// fresh says how much longer the memo is of use.
func (m *memo) fresh(now time.Time) time.Duration {
	if m.Pending {
		return settling - now.Sub(m.At)
	}
	return recently - now.Sub(m.At)
}

// noteName tells the notes of one account from those of another that the destination had before a restart: a contact's id
// means another contact there. An account that is entered by OAuth is told by its address alone.
func (d *Destination) noteName(key string) string {
	return shortHash(d.conf.BaseURL+"\x00"+d.conf.Token) + " " + key
}

func (d *Destination) remember(ctx context.Context, key string, m memo) error {
	m.At = d.conf.Now()
	d.recent.Add(key, m)
	for range 2 { // what is of no use any more goes, faster than it comes
		if k, old, ok := d.recent.GetOldest(); ok && m.At.Sub(old.At) > recently {
			d.recent.Remove(k)
		}
	}
	if d.conf.Notes == nil {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return d.conf.Notes.Note(ctx, d.noteName(key), b, m.At.Add(m.fresh(m.At)))
}

func (d *Destination) recall(ctx context.Context, key string) (memo, bool) {
	m, ok := d.recent.Get(key)
	if !ok && d.conf.Notes != nil {
		// A note that cannot be read is none: the search is asked, as it is without notes.
		if b, err := d.conf.Notes.Noted(ctx, d.noteName(key)); err == nil && b != nil {
			ok = json.Unmarshal(b, &m) == nil
		}
	}
	if ok && m.fresh(d.conf.Now()) <= 0 {
		d.recent.Remove(key)
		return memo{}, false
	}
	return m, ok
}

func (d *Destination) forget(ctx context.Context, key string) {
	d.recent.Remove(key)
	if d.conf.Notes != nil {
		_ = d.conf.Notes.Forget(ctx, d.noteName(key)) // it ends by itself
	}
}

func (r *run) recall(key string) (memo, bool) {
	if r.dry {
		return memo{}, false
	}
	return r.d.recall(r.ctx, key)
}

// remember notes a write. A note that cannot be kept costs no call, only a second contact if the worst comes to the worst.
func (r *run) remember(key string, m memo) {
	if r.dry {
		return
	}
	if err := r.d.remember(r.ctx, key, m); err != nil && r.d.firstWarning("notes") && len(r.rows) > 0 {
		r.rows[0].warn("what was written cannot be noted, so that a lost answer may make a second contact; see to the store")
	}
}

// expect notes that contacts are about to be created, before they are: if the answer is lost, the next attempt knows.
func (r *run) expect(rows []*row) {
	for _, row := range rows {
		if row.phone == "" {
			continue
		}
		if m, ok := r.recall("p:" + row.phone); !ok || m.Pending { // else it is known who has the number
			r.remember("p:"+row.phone, memo{Pending: true, Address: row.email})
		}
	}
}

// unexpect takes back what expect noted of a row that was certainly not written.
func (r *run) unexpect(row *row) {
	if m, ok := r.recall("p:" + row.phone); ok && m.Pending && row.phone != "" {
		r.d.forget(r.ctx, "p:"+row.phone)
	}
}

func (r *run) rememberContact(row *row) {
	if row.id == "" {
		return
	}
	m := memo{ID: row.id, Email: row.email != "" || row.known["email"] != "", Name: [2]string{row.get("firstname"), row.get("lastname")}}
	for i, n := range [2]string{"firstname", "lastname"} {
		if row.known[n] != "" && (row.existing || r.d.conf.KeepNames) || m.Name[i] == "" {
			m.Name[i] = row.known[n]
		}
	}
	for _, i := range row.items {
		if k := callKey(&r.items[i]); k != "" {
			r.remember("k:"+k, m)
		}
	}
	if row.phone != "" {
		r.remember("p:"+row.phone, m)
	}
}

func (r *run) forget(row *row) {
	for _, i := range row.items {
		r.d.forget(r.ctx, "k:"+callKey(&r.items[i]))
	}
	r.d.forget(r.ctx, "p:"+row.phone)
}
