package signature

import (
	"fmt"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// readBody is read and lookUp where signature or time are in the body.
func (h *hmacScheme) readBody(m *Message, now time.Time, p *presented) error {
	v, err := h.readHeaders(m.Header, p)
	if err != nil {
		return err
	}
	var doc jsonscan.Doc
	if err := doc.Scan(m.Body); err != nil {
		return fmt.Errorf("%w: the body, which should hold what verifies it, is %w", ErrMalformed, err)
	}
	if h.sigPath != nil {
		p.header = h.sigPlace
		if v, err = textAt(doc.Root(), h.sigPath, maxHeader); err != nil {
			return err
		}
	}
	if h.tsPath != nil {
		if p.time, err = textAt(doc.Root(), h.tsPath, maxID); err != nil {
			return err
		}
	}
	if err := h.settle(v, now, p); err != nil {
		return err
	}
	return h.lookUp(m, p)
}

// textAt is the text or the number at a path of the body, that must be there.
func textAt(root jsonscan.Value, path []string, limit int) (string, error) {
	switch v := root.Path(path...); {
	case v.Kind() == jsonscan.Missing, v.Kind() == jsonscan.Null, v.Text() == "" && v.Kind() == jsonscan.String:
		return "", fmt.Errorf("%w: the body has nothing at %s; check that the sender is configured to sign", ErrMissing, strings.Join(path, "."))
	case v.Kind() != jsonscan.String && v.Kind() != jsonscan.Number:
		return "", fmt.Errorf("%w: the body has no text at %s", ErrMalformed, strings.Join(path, "."))
	case len(v.Text()) > limit:
		return "", fmt.Errorf("%w: what the body has at %s is longer than %d bytes", ErrMalformed, strings.Join(path, "."), limit)
	default:
		return v.Text(), nil
	}
}
