package operateapi

import (
	"io"
	"net/http"

	"github.com/callgate/callgate/internal/operate"
)

func auditCheckpoint(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var none struct{}
	if err := readPosted(w, r, &none); err != nil {
		return err
	}
	return answer(a, w, func(s *operate.Service) (*operate.AuditState, error) {
		return s.AuditCheckpoint(r.Context(), a.Actor(r))
	})
}

// auditExport answers in the format that is asked for. An error after the first of them can only break the answer off: an export that is
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
	out := &begun{w: w, kind: formats[in.Format]}
	_, err = s.AuditExport(r.Context(), a.Actor(r), in, out)
	return out.end(err)
}

// formats are the media types of exports.
var formats = map[string]string{"": lines, "jsonl": lines, "csv": "text/csv; charset=utf-8", "fhir": "application/fhir+ndjson"}

// lines is the media type of records, a line each.
const lines = "application/jsonl"

// begun is an answer of a kind that knows whether it has begun.
type begun struct {
	w    http.ResponseWriter
	kind string
	any  bool
}

// Write implements io.Writer.
func (b *begun) Write(p []byte) (int, error) {
	if !b.any {
		b.any = true
		b.w.Header().Set("Content-Type", b.kind)
	}
	return b.w.Write(p)
}

// end ends an answer: with the error unless it has begun, and else so that whoever reads it sees that it is not whole.
func (b *begun) end(err error) error {
	if err != nil && b.any {
		panic(http.ErrAbortHandler)
	}
	return err
}

// Interface guard
var _ io.Writer = (*begun)(nil)
