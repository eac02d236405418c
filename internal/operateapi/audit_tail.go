package operateapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// errEnding ends a stream that nobody reads any more.
var errEnding = errors.New("the stream ends")

// auditTail streams records, a line each, and an empty line where there was nothing new for a while. It ends with what the
// face belongs to.
func auditTail(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var sel operate.AuditSelection
	if err := readPosted(w, r, &sel); err != nil {
		return err
	}
	s, err := a.Service()
	if err != nil {
		return err
	}
	ctx, c, end := a.endless(w, r)
	defer end()
	out := &begun{w: w, kind: lines}
	last := time.Now()
	err = s.AuditTail(ctx, a.Actor(r), sel, func(records []json.RawMessage) error {
		if a.Exiting != nil && a.Exiting() {
			return errEnding
		}
		if len(records) == 0 && out.any && time.Since(last) < tailSilence {
			return nil
		}
		last = time.Now()
		text := []byte{}
		for _, line := range records {
			text = append(append(text, line...), '\n')
		}
		if len(text) == 0 {
			text = append(text, '\n')
		}
		if _, err := out.Write(text); err != nil || c.Flush() != nil {
			return errEnding
		}
		return nil
	})
	if errors.Is(err, errEnding) {
		return nil
	}
	return out.end(err)
}
