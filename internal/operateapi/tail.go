package operateapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// tailSilence is after how long without news a comment is sent, so that a connection that is dead is noticed.
const tailSilence = 15 * time.Second

// tail streams what is new: "event" for an event that was accepted, "attempt" for an attempt at a delivery, and "gap"
// when more happened than the stream can follow. Its filter has destination, tenant, source, event_type, event and
// call_id. It ends with what the face belongs to.
func tail(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var f operate.Filter
	if err := readQuery(r, f.TailParameter); err != nil {
		return err
	}
	s, err := a.Service()
	if err != nil {
		return err
	}
	stream, err := s.Tail(r.Context(), a.Actor(r), f)
	if err != nil {
		return err
	}
	defer stream.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	ctx, c, end := a.endless(w, r)
	defer end()
	a.follow(ctx, w, c, stream)
	return nil // the answer has begun: ending it is all that can be said
}

// endless has an answer go on for as long as it is read and what the face belongs to has not ended. end is to be called when
// it is over.
func (a *API) endless(w http.ResponseWriter, r *http.Request) (ctx context.Context, c *http.ResponseController, end func()) {
	c = http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // the server's is for requests that end soon
	ctx, cancel := context.WithCancel(r.Context())
	if a.Ended == nil || a.Ended.Err() != nil { // then that configuration failed, and the face serves the one before
		return ctx, c, cancel
	}
	stop := context.AfterFunc(a.Ended, cancel)
	return ctx, c, func() {
		stop()
		cancel()
	}
}

// follow writes a stream's messages until it ends or nobody reads them.
func (a *API) follow(ctx context.Context, w http.ResponseWriter, c *http.ResponseController, stream *operate.Stream) {
	fmt.Fprint(w, ": following\n\n")
	if c.Flush() != nil {
		return
	}
	last := time.Now()
	for {
		news, err := stream.Next(ctx)
		if err != nil || a.Exiting != nil && a.Exiting() {
			return
		}
		for _, m := range news {
			data, err := json.Marshal(m.Data)
			if err != nil {
				return
			}
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", m.Kind, data); err != nil {
				return
			}
		}
		if len(news) == 0 {
			if time.Since(last) < tailSilence {
				continue
			}
			fmt.Fprint(w, ": nothing new\n\n")
		}
		last = time.Now()
		if c.Flush() != nil {
			return
		}
	}
}
