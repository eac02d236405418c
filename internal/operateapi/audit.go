package operateapi

import (
	"io"
	"net/http"

	"github.com/callgate/callgate/internal/operate"
)

func auditProof(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
	if err := readQuery(r, noQuery); err != nil {
		return err
	}
	return answer(a, w, func(s *operate.Service) (*operate.AuditProof, error) {
		return s.AuditProve(r.Context(), a.Actor(r), args[0])
	})
}

func auditCheckpoint(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var none struct{}
	if err := readPosted(w, r, &none); err != nil {
		return err
	}
	return answer(a, w, func(s *operate.Service) (*operate.AuditState, error) {
		return s.AuditCheckpoint(r.Context(), a.Actor(r))
	})
}

// auditExport answers with lines of JSON. An error after the first of them can only break the answer off: an export that is
// not whole does not verify.
func auditExport(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var in operate.AuditExporting
	if err := readPosted(w, r, &in); err != nil {
		return err
	}
	s, err := a.Service()
	if err != nil {
		return err
	}
	out := &begun{w: w}
	if _, err := s.AuditExport(r.Context(), a.Actor(r), in, out); err != nil {
		if out.any {
			panic(http.ErrAbortHandler)
		}
		return err
	}
	return nil
}

// begun is an answer that knows whether it has begun.
type begun struct {
	w   http.ResponseWriter
	any bool
}

// Write implements io.Writer.
func (b *begun) Write(p []byte) (int, error) {
	if !b.any {
		b.any = true
		b.w.Header().Set("Content-Type", "application/jsonl")
	}
	return b.w.Write(p)
}

// Interface guard
var _ io.Writer = (*begun)(nil)
