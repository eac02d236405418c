package wire

import (
	"context"
	"net/http"
	"time"
)

// ErrLate says that the head of the answer was not there by the time that was given to [Client.Send].
const ErrLate = timeoutError("the server did not begin to answer in time; allow it more, or look at the server")

// Send is [Client.Do] for a request that is written already. msg is all of it, and is only read, and not any more when
// Send has returned; req is asked for its method, its context and whether it may be repeated, and its body is left alone.
// If by is not zero, it bounds everything up to the head of the answer, and the error is ErrLate when that time has come.
func (c *Client) Send(req *http.Request, msg []byte, t Target, by time.Time) (*http.Response, error) {
	ctx := req.Context()
	for {
		cn, err := c.acquire(ctx, t, by)
		if err != nil {
			return nil, cause(ctx, by, err)
		}
		if cn.used && !cn.alive() {
			c.release(cn, false)
			continue
		}
		res, again, err := cn.exchange(req, msg, by)
		if err == nil {
			return res, nil
		}
		if !again || ctx.Err() != nil || passed(by) {
			return nil, cause(ctx, by, err)
		}
	}
}

// cause says why an exchange failed: that its context or its time has ended comes before what the network made of it.
func cause(ctx context.Context, by time.Time, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case passed(by):
		return ErrLate
	}
	return err
}

// passed tells whether a time has come; zero never does.
func passed(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }
