package publish

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/outbound"
)

// client sends to the addresses of the operator's own configuration.
func client(timeout time.Duration) *outbound.Client {
	return outbound.NewClient(outbound.Options{Timeout: timeout, MaxAnswer: 64 << 10, AllowPrivate: true})
}

// Webhook posts checkpoints to a URL, as text/plain: the signed note. Any 2xx means that it is kept there.
type Webhook struct {
	url, host string
	client    *outbound.Client
}

// NewWebhook checks the URL: https, or http to this machine. A nil client means one for the operator's own addresses.
func NewWebhook(address string, c *outbound.Client) (*Webhook, error) {
	if err := outbound.CheckURL(address, false, true); err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, outbound.ErrBadURL
	}
	if c == nil {
		c = client(0)
	}
	return &Webhook{url: address, host: u.Host, client: c}, nil
}

// Name is the kind and the host.
func (w *Webhook) Name() string { return "webhook " + w.host }

// Send posts one.
func (w *Webhook) Send(ctx context.Context, c Signed) error {
	r, err := outbound.NewRequest(ctx, http.MethodPost, w.url, c.Note)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	a, err := w.client.Do(ctx, r)
	if err != nil {
		return err
	}
	if a.Status/100 != 2 {
		return fmt.Errorf("%s answered %d: check the URL for checkpoints of the audit log", w.host, a.Status)
	}
	return nil
}

// File appends checkpoints to a file, a line each, and waits for the disk. It belongs on another machine's disk, or one that
// nothing can be deleted from. Each line is {"checkpoint":"…"}.
type File struct{ path string }

// NewFile needs a path; the file is made when the first checkpoint is written.
func NewFile(path string) *File { return &File{path: path} }

// Name is the kind and the path.
func (f *File) Name() string { return "file " + f.path }

// Send appends one. A line that was cut off by a crash is ended first.
func (f *File) Send(_ context.Context, c Signed) (err error) {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	line := append(audit.Line(c.Note), '\n')
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	return file.Sync()
}

// Log writes checkpoints to the gateway's log, for those whose logs leave the machine.
type Log struct{ log *zap.Logger }

// NewLog writes to a logger.
func NewLog(l *zap.Logger) *Log { return &Log{log: l} }

// Name is the kind.
func (l *Log) Name() string { return "log" }

// Send writes one.
func (l *Log) Send(_ context.Context, c Signed) error {
	l.log.Info("checkpoint of the audit log", zap.Int64("size", c.Size), zap.String("checkpoint", string(c.Note)))
	return nil
}
