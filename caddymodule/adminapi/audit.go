package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/operate"
)

// audit serves what is under /callgate/audit, and says with which method; nil where there is nothing.
func (a *Admin) audit(path []string) (handle caddy.AdminHandlerFunc, method string) {
	switch {
	case len(path) == 0:
		return acting((*operate.Service).AuditQuery), http.MethodPost
	case len(path) == 3 && path[0] == "records" && path[2] == "proof":
		return asking(func(s *operate.Service, ctx context.Context, who operate.Actor) (*operate.AuditProof, error) {
			return s.AuditProve(ctx, who, path[1])
		}), http.MethodGet
	case len(path) > 1:
		return nil, ""
	}
	switch path[0] {
	case "tail":
		return a.auditTail, http.MethodPost
	case "verify":
		return asking((*operate.Service).AuditVerify), http.MethodGet
	case "checkpoint":
		return acting(func(s *operate.Service, ctx context.Context, who operate.Actor, _ struct{}) (*operate.AuditState, error) {
			return s.AuditCheckpoint(ctx, who)
		}), http.MethodPost
	case "prune":
		return acting((*operate.Service).AuditPrune), http.MethodPost
	case "export":
		return auditExport, http.MethodPost
	}
	return nil, ""
}

// answering is an answer of which is known whether it has begun.
type answering struct {
	http.ResponseWriter
	began bool
}

func (w *answering) Write(b []byte) (int, error) {
	w.began = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *answering) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// end ends an answer: with the error unless it has begun, and else so that whoever reads it sees that it is not whole.
func (w *answering) end(err error) error {
	if err != nil && w.began {
		panic(http.ErrAbortHandler)
	}
	return err
}

func auditExport(w http.ResponseWriter, r *http.Request) error {
	var in operate.AuditExporting
	if err := readPosted(w, r, &in); err != nil {
		return err
	}
	s, err := service()
	if err != nil {
		return err
	}
	kind := map[string]string{"csv": "text/csv; charset=utf-8", "fhir": "application/fhir+ndjson"}[in.Format]
	if kind == "" {
		kind = "application/jsonl"
	}
	out := &answering{ResponseWriter: w}
	w.Header().Set("Content-Type", kind)
	_, err = s.AuditExport(r.Context(), actor(r), in, out)
	return out.end(err)
}

// auditTail streams records, a line each, and an empty line where there was nothing new for a while. It ends with the
// configuration.
func (a *Admin) auditTail(w http.ResponseWriter, r *http.Request) error {
	var sel operate.AuditSelection
	if err := readPosted(w, r, &sel); err != nil {
		return err
	}
	s, err := service()
	if err != nil {
		return err
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // the admin endpoint's is for requests that end soon
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if a.ctx.Err() == nil { // else this configuration failed, and the endpoint serves the one before
		defer context.AfterFunc(a.ctx, cancel)()
	}
	out := &answering{ResponseWriter: w}
	w.Header().Set("Content-Type", "application/jsonl")
	last := time.Now()
	err = s.AuditTail(ctx, actor(r), sel, func(records []json.RawMessage) error {
		if caddy.Exiting() {
			return errEnding
		}
		if len(records) == 0 && out.began && time.Since(last) < tailSilence {
			return nil
		}
		last = time.Now()
		for _, line := range records {
			if _, err := out.Write(append(line, '\n')); err != nil {
				return errEnding
			}
		}
		if len(records) == 0 {
			if _, err := out.Write([]byte{'\n'}); err != nil {
				return errEnding
			}
		}
		if c.Flush() != nil {
			return errEnding
		}
		return nil
	})
	if errors.Is(err, errEnding) {
		return nil
	}
	return out.end(err)
}

// errEnding ends a stream that nobody reads any more.
var errEnding = errors.New("the stream ends")
