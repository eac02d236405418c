package signature

import (
	"fmt"
	"strings"
)

// parse takes the signatures, and the time if it is there too, out of the header's value.
func (h *hmacScheme) parse(v string, p *presented) error {
	switch h.layout {
	case single:
		s, ok := strings.CutPrefix(v, h.prefix)
		if !ok {
			return fmt.Errorf("%w: %s does not start with %q", ErrMalformed, p.where(), h.prefix)
		}
		h.add(s, p)
	case separated:
		for n := 0; ; n++ {
			item, rest, more := strings.Cut(v, h.sep)
			if n == maxSignatures {
				return fmt.Errorf("%w: %s holds more than %d items", ErrMalformed, p.where(), maxSignatures)
			}
			if s, ok := strings.CutPrefix(strings.Trim(item, " "), h.prefix); ok {
				h.add(s, p)
			}
			if !more {
				break
			}
			v = rest
		}
	case pairs:
		if err := h.parsePairs(v, p); err != nil {
			return err
		}
	}
	if p.count == 0 {
		return fmt.Errorf("%w: %s holds no signature of the expected kind and length", ErrMalformed, p.where())
	}
	return nil
}

// parsePairs takes the signatures and the time out of a list of key=value items.
func (h *hmacScheme) parsePairs(v string, p *presented) error {
	signatures := 0
	for n := 0; ; n++ {
		if n == maxSignatures {
			return fmt.Errorf("%w: header %s holds more than %d items", ErrMalformed, p.header, maxSignatures)
		}
		item, rest, more := strings.Cut(v, h.sep)
		if h.spaces {
			item = strings.Trim(item, " ")
		}
		if h.exact { // either case, and nothing else in between
			if n > 1 {
				return fmt.Errorf("%w: header %s holds more than the time and one signature", ErrMalformed, p.header)
			}
			if k := [2]string{h.tsKey, h.sigKey}[n]; len(item) >= len(k) && strings.EqualFold(item[:len(k)], k) {
				item = k + item[len(k):]
			} else {
				return fmt.Errorf("%w: header %s is not of the form %s...%s%s... that it should have", ErrMalformed, p.header, h.tsKey, h.sep, h.sigKey)
			}
		}
		if s, ok := strings.CutPrefix(item, h.sigKey); ok {
			if signatures++; signatures == 1 || !h.first {
				s, ok = strings.CutPrefix(s, h.prefix)
				if ok {
					h.add(s, p)
				}
			}
		} else if s, ok := strings.CutPrefix(item, h.tsKey); ok && h.tsKey != "" {
			if p.time != "" {
				return fmt.Errorf("%w: header %s holds %q twice", ErrMalformed, p.header, h.tsKey)
			}
			p.time = s
		}
		if !more {
			break
		}
		v = rest
	}
	switch {
	case h.tsKey != "" && p.time == "":
		return fmt.Errorf("%w: header %s holds no %q", ErrMalformed, p.header, h.tsKey)
	case signatures == 0:
		return fmt.Errorf("%w: header %s holds no %q", ErrMalformed, p.header, h.sigKey)
	}
	return nil
}

// add decodes a signature. One that cannot match is left out.
func (h *hmacScheme) add(s string, p *presented) {
	if h.size == 0 {
		if b, ok := longDigest(s, h.encoding); ok && p.count < maxSignatures {
			p.long = append(p.long, b)
			p.count++
		}
		return
	}
	if p.count < maxSignatures && digest(&p.digests[p.count], s, h.size, h.encoding) {
		p.count++
	}
}
