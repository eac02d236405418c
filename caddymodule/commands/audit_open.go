package commands

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/user"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// auditLog is an audit log, of a gateway that runs or in the store of one that is stopped.
type auditLog interface {
	query(context.Context, operate.AuditSelection) (records []json.RawMessage, next int64, err error)
	// tail ends with what there is if the gateway is stopped, and with the context if it runs.
	tail(context.Context, operate.AuditSelection, func([]json.RawMessage) error) error
	export(context.Context, operate.AuditExporting, io.Writer) (bytes int64, err error)
	prune(context.Context, operate.AuditPruning) (*operate.AuditPruned, error)
	verify(context.Context) (*operate.AuditState, error)
	checkpoint(context.Context) (*operate.AuditState, error)
	prove(ctx context.Context, seq string) (*operate.AuditProof, error)
}

// auditStopped is what the help of commands says that work on the store.
const auditStopped = `

The gateway must not run meanwhile; the store's lock sees to that. What is done is recorded in the log, by the user of the
operating system.

Exit status: 0 if all is as asked, 1 if not, with the reason on standard error.`

// auditEither is what the help of commands says that ask a gateway, or work on the store of one that is stopped.
const auditEither = `

With --config, and while the gateway is stopped, it works on the store of the configuration, and what it does is recorded by
the user of the operating system; otherwise it asks the gateway that runs.

Exit status: 0 if all is as asked, 1 if not, with the reason on standard error.`

// auditStored is the audit log in the store of a gateway that is stopped.
type auditStored struct{ config, adapter string }

func (s *auditStored) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&s.config, "config", "c", "", "configuration file of the gateway (default: the Caddyfile in this directory)")
	fl.StringVarP(&s.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	cmd.Args = cobra.NoArgs
	cmd.SilenceUsage = true
}

// open opens a log to fork it, and closes it behind f.
func (s *auditStored) open(cmd *cobra.Command, f func(*operate.Service, operate.Actor) error) error {
	text, _, err := configuration(s.config, s.adapter)
	if err != nil {
		return err
	}
	err = onAuditStore(text, true, f)
	if errors.Is(err, sqlite.ErrLocked) {
		return fmt.Errorf("the gateway runs, or another command works on its store: stop it first: %w", err)
	}
	return err
}

func onAuditStore(config []byte, fork bool, f func(*operate.Service, operate.Actor) error) (err error) {
	service, done, err := caddymodule.AuditOf(config, fork, caddy.Log())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	who := atThePrompt
	if u, err := user.Current(); err == nil {
		who.Name = u.Username
	}
	return f(service, who)
}

// auditFace is a command's way to an audit log.
type auditFace struct{ admin }

func (s *auditFace) add(cmd *cobra.Command) {
	s.admin.add(cmd)
	cmd.Args = cobra.NoArgs
}

// with gives f the log of the store of --config if no gateway has it open, and else that of the gateway that runs.
func (s *auditFace) with(cmd *cobra.Command, f func(auditLog) error) error {
	if s.config != "" {
		text, _, _, err := caddycmd.LoadConfig(s.config, s.adapter)
		if err != nil {
			return err
		}
		err = onAuditStore(text, false, func(o *operate.Service, who operate.Actor) error { return f(stoppedLog{o, who}) })
		if !errors.Is(err, sqlite.ErrLocked) {
			return err
		}
	}
	return f(runningLog{&s.admin})
}

// stoppedLog is the log in the store of a gateway that is stopped.
type stoppedLog struct {
	o   *operate.Service
	who operate.Actor
}

func (l stoppedLog) query(ctx context.Context, sel operate.AuditSelection) ([]json.RawMessage, int64, error) {
	p, err := l.o.AuditQuery(ctx, l.who, sel)
	if err != nil {
		return nil, 0, err
	}
	return p.Records, p.Next, nil
}

func (l stoppedLog) tail(ctx context.Context, sel operate.AuditSelection, f func([]json.RawMessage) error) error {
	sel.Limit = int(sel.Newest)
	records, _, err := l.query(ctx, sel)
	if err != nil {
		return err
	}
	return f(records)
}

func (l stoppedLog) export(ctx context.Context, in operate.AuditExporting, w io.Writer) (int64, error) {
	out := &counting{w: w}
	_, err := l.o.AuditExport(ctx, l.who, in, out)
	return out.n, err
}

func (l stoppedLog) prune(ctx context.Context, in operate.AuditPruning) (*operate.AuditPruned, error) {
	return l.o.AuditPrune(ctx, l.who, in)
}

func (l stoppedLog) verify(ctx context.Context) (*operate.AuditState, error) {
	return l.o.AuditVerify(ctx, l.who)
}

// checkpoint is the last one: a new one would be known to nobody.
func (l stoppedLog) checkpoint(ctx context.Context) (*operate.AuditState, error) {
	return l.verify(ctx)
}

func (l stoppedLog) prove(ctx context.Context, seq string) (*operate.AuditProof, error) {
	return l.o.AuditProve(ctx, l.who, seq)
}

// counting counts what is written.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// runningLog is the log of a gateway that runs.
type runningLog struct{ a *admin }

func (l runningLog) query(_ context.Context, sel operate.AuditSelection) ([]json.RawMessage, int64, error) {
	var p struct {
		Records []json.RawMessage `json:"records"`
		Next    int64             `json:"next"`
	}
	err := l.a.ask(http.MethodPost, "/callgate/audit", sel, &p)
	return p.Records, p.Next, err
}

func (l runningLog) tail(ctx context.Context, sel operate.AuditSelection, f func([]json.RawMessage) error) error {
	stream, err := l.a.open(http.MethodPost, "/callgate/audit/tail", sel)
	if err != nil {
		return err
	}
	defer stream.Close()
	defer untilDone(ctx, stream)()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxMessage)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue // nothing new for a while
		}
		if err := f([]json.RawMessage{bytes.Clone(lines.Bytes())}); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.New("the gateway ended the stream, as it does when its configuration is loaded anew or it stops: ask again")
}

func (l runningLog) export(ctx context.Context, in operate.AuditExporting, w io.Writer) (int64, error) {
	answer, err := l.a.open(http.MethodPost, "/callgate/audit/export", in)
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	defer untilDone(ctx, answer)()
	n, err := io.Copy(w, answer)
	if err != nil {
		return n, fmt.Errorf("the export broke off: %w", err)
	}
	return n, nil
}

func (l runningLog) prune(_ context.Context, in operate.AuditPruning) (*operate.AuditPruned, error) {
	n := new(operate.AuditPruned)
	return n, l.a.ask(http.MethodPost, "/callgate/audit/prune", in, n)
}

func (l runningLog) verify(context.Context) (*operate.AuditState, error) {
	s := new(operate.AuditState)
	return s, l.a.ask(http.MethodGet, "/callgate/audit/verify", nil, s)
}

func (l runningLog) checkpoint(context.Context) (*operate.AuditState, error) {
	s := new(operate.AuditState)
	return s, l.a.ask(http.MethodPost, "/callgate/audit/checkpoint", struct{}{}, s)
}

func (l runningLog) prove(_ context.Context, seq string) (*operate.AuditProof, error) {
	p := new(operate.AuditProof)
	return p, l.a.ask(http.MethodGet, "/callgate/audit/records/"+escaped(seq)+"/proof", nil, p)
}
