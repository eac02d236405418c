package manage

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/callgate/callgate/internal/store"
)

// Compose makes the document that Save would keep of a draft, and neither checks nor keeps it. Its name may be empty or the
// configuration's, as of one that somebody begins from.
func (s *Service) Compose(ctx context.Context, by, kind, name string, in Draft) (*store.Document, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	if len(name) > 128 {
		return nil, fail(ErrBadRequest, "a %s's name has up to 128 characters", kind)
	}
	if in.Text != "" && in.Body == nil {
		in.Body = json.RawMessage(in.Text)
	}
	if !json.Valid(in.Body) {
		return nil, fail(ErrBadRequest, "body has to be the document, in JSON, or text what stands in its file")
	}
	var secrets Secrets
	version := 0
	if name != "" {
		last, _, err := s.state(ctx, kind, name)
		if err != nil {
			return nil, err
		}
		if secrets, err = ReadSecrets(last.Secrets); err != nil {
			return nil, err
		}
		version = last.Version
	}
	if secrets == nil {
		secrets = Secrets{}
	}
	secrets, err := s.merge(secrets, in.Secrets)
	if err != nil {
		return nil, err
	}
	d := &store.Document{Body: in.Body}
	return d, s.fill(d, by, kind, cmp.Or(name, "draft"), version+1, in.Note, secrets, false)
}
