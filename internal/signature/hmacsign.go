package signature

import (
	"fmt"
	"time"
)

// Sign sets the header, and the headers of the time and the id where the scheme has them.
func (h *hmacScheme) Sign(m *Message, id string, now time.Time) error {
	b := m.Body
	if f := h.forms[0]; f != raw {
		var err error
		if b, _, err = f.rewrite(nil, m.Body); err != nil {
			return fmt.Errorf("%w: the body has no %s form to sign: %w", ErrMalformed, f, err)
		}
	}
	st := h.keys[0].get()
	defer h.keys[0].put(st)
	return h.write(m, id, now, func(p *presented) ([]byte, error) {
		h.hash(st, m, p, b, true)
		return st.sum(), nil
	})
}

// write sets the headers, with what sign makes of that which is to be signed.
func (h *hmacScheme) write(m *Message, id string, now time.Time, sign func(*presented) ([]byte, error)) error {
	p := presented{id: id}
	if h.idHeader != "" && (id == "" || len(id) > maxID) {
		return fmt.Errorf("%w: %s signs an id of up to %d bytes; give one", ErrConfig, h.scheme, maxID)
	}
	if h.sigPath != nil || h.tsPath != nil {
		return fmt.Errorf("%w: %s cannot be signed with a signature or a time in the body", ErrConfig, h.scheme)
	}
	if h.unit != noTime {
		p.time = formatTime(now, h.unit)
	}
	for _, name := range h.headers {
		if !has(m.Header, name) && id != "" { // a nonce, which may as well be the id
			set(m, name, id)
		}
		v, err := get(m.Header, name, maxHeader)
		if err != nil {
			return err
		}
		p.headers = append(p.headers, v)
	}
	if err := h.lookUp(m, &p); err != nil {
		return err
	}
	sum, err := sign(&p)
	if err != nil {
		return err
	}
	v := make([]byte, 0, 160)
	if h.tsKey != "" {
		v = append(append(append(v, h.tsKey...), p.time...), h.sep...)
	}
	v = append(append(v, h.sigKey...), h.prefix...)
	set(m, h.header, string(appendDigest(v, sum, h.encoding)))
	if h.tsHeader != "" {
		set(m, h.tsHeader, p.time)
	}
	if h.idHeader != "" {
		set(m, h.idHeader, id)
	}
	return nil
}
