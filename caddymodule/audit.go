package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/publish"
	"github.com/callgate/callgate/internal/auditor"
)

// Audit keeps a log of what was sent to whom and by whose hand, which proves itself: its records are the leaves of a Merkle
// tree in the store, written in the same transaction as what they record, and its root is signed and sent elsewhere. Records
// hold names and commitments and never what a caller said: what opens the commitments lies beside them, and goes when a
// caller is erased.
//
// What cannot be recorded is not done: when the store cannot write, nothing is acknowledged, and nothing is sent that was
// not acknowledged and recorded before; for requests that are handed on at once, see RecordFirst. Nothing waits for those
// who get the checkpoints; that one does not take them is told in the log, in the statistics and in the metrics.
//
// A reload changes the times and where checkpoints go; a log that is kept is kept until the gateway ends, also if a reload
// takes this away.
type Audit struct {
	// Key signs the checkpoints: a private key as callgate audit keygen makes it, or a placeholder for it such as
	// {file./run/secrets/callgate-audit.key}. Its name is the log's. It is required.
	Key string `json:"key,omitempty"`

	// Keep is how long records are kept, 6y being six years of 365.25 days. Their hashes stay, so that what was proved
	// before still can be, and it is recorded how many went. Default: for ever.
	Keep caddy.Duration `json:"keep,omitempty"`

	// Checkpoints say where the signed checkpoints go. Each gets one at the start, at the stop, after 10,000 records and
	// when its time is over. Whoever has an old one can tell whether the log was changed since, or cut. The last one lies
	// beside the store too, in a file that ends in .checkpoint: a store that has less than that, since it was restored from a
	// backup, is refused until callgate audit fork --reason says that this is meant. Default: nowhere else.
	Checkpoints []*AuditCheckpoint `json:"checkpoints,omitempty"`

	// Witnesses cosign each checkpoint: somebody else, as the hospital, who remembers the last one and cosigns only what has
	// grown out of it. They speak C2SP's tlog-witness protocol, as litewitness does.
	Witnesses []*AuditWitness `json:"witnesses,omitempty"`

	// RecordFirst has a request that is handed on to a receiver, since its sender waits for the answer, wait until it is
	// recorded that it is about to be: about as long as storing it would take. With 503 it is refused if that cannot be.
	// Default: off, and what came of it is recorded when it has ended.
	RecordFirst bool `json:"record_first,omitempty"`

	settings auditor.Settings
}

// AuditCheckpoint is one place where signed checkpoints go. One of its members besides Every says where.
type AuditCheckpoint struct {
	// Every is the time between two, where there are new records. All places get every checkpoint, so that the shortest time
	// counts. Default: 1h.
	Every caddy.Duration `json:"every,omitempty"`

	// Webhook is a URL that checkpoints are posted to.
	Webhook string `json:"webhook,omitempty"`

	// Syslog is a syslog server, such as tls://logs.example.com:6514, udp://10.0.0.1:514 or unix:///dev/log.
	Syslog string `json:"syslog,omitempty"`

	// File is a file that checkpoints are appended to, best on another disk. It is compared with the store at the start.
	File string `json:"file,omitempty"`

	// Log has checkpoints written to the gateway's own log.
	Log bool `json:"log,omitempty"`
}

// AuditWitness is a witness of the audit log.
type AuditWitness struct {
	// URL is what /add-checkpoint is appended to: https, or http to this machine.
	URL string `json:"url,omitempty"`

	// Key is the witness's public key, as it is published: its name, an id and the key in one line, with + between them.
	Key string `json:"key,omitempty"`
}

// provision works out what the auditor needs.
func (a *Audit) provision(logger *zap.Logger) error {
	if a == nil {
		return nil
	}
	if a.Keep < 0 {
		return fmt.Errorf("keep cannot be negative")
	}
	if a.Key == "" {
		return fmt.Errorf("key is required: make one with callgate audit keygen")
	}
	warnOfLiterals(logger, "audit", "key", a.Key)
	key, err := secret.Resolve(a.Key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if a.settings.Signer, err = audit.NewSigner(key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	a.settings.Keep = time.Duration(a.Keep)
	names := make(map[string]bool)
	add := func(sink publish.Sink) error {
		if names[sink.Name()] {
			return fmt.Errorf("checkpoints go to %s already", sink.Name())
		}
		names[sink.Name()] = true
		a.settings.Sinks = append(a.settings.Sinks, sink)
		return nil
	}
	for i, c := range a.Checkpoints {
		if c == nil {
			c = new(AuditCheckpoint)
		}
		sink, err := c.sink(logger)
		if err == nil {
			err = add(sink)
		}
		if err != nil {
			return fmt.Errorf("checkpoint %d: %w", i+1, err)
		}
		if every := time.Duration(c.Every); every > 0 && (a.settings.Every == 0 || every < a.settings.Every) {
			a.settings.Every = every
		}
	}
	for i, w := range a.Witnesses {
		if w == nil {
			w = new(AuditWitness)
		}
		witness := auditor.Witness{URL: w.URL, Key: w.Key}
		if err := witness.Check(); err != nil {
			return fmt.Errorf("witness %d: %w", i+1, err)
		}
		a.settings.Witnesses = append(a.settings.Witnesses, witness)
	}
	return nil
}

// sink is the place that is meant.
func (c *AuditCheckpoint) sink(logger *zap.Logger) (publish.Sink, error) {
	places := 0
	for _, given := range []bool{c.Webhook != "", c.Syslog != "", c.File != "", c.Log} {
		if given {
			places++
		}
	}
	if places != 1 || c.Every < 0 {
		return nil, fmt.Errorf("give a time of at least 0 and one of webhook, syslog, file and log")
	}
	switch {
	case c.Webhook != "": // who knows the URL of an incoming webhook can post to it
		warnOfLiterals(logger, "audit", "webhook", c.Webhook)
		u, err := secret.Resolve(c.Webhook)
		if err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
		return publish.NewWebhook(u, nil)
	case c.Syslog != "":
		address, err := secret.ResolveText(c.Syslog)
		if err != nil {
			return nil, fmt.Errorf("syslog: %w", err)
		}
		return publish.NewSyslog(address, nil)
	case c.File != "":
		name, err := secret.ResolveText(c.File)
		if err == nil {
			name, err = filepath.Abs(name)
		}
		if err != nil {
			return nil, fmt.Errorf("file: %w", err)
		}
		return auditor.NewFile(name), nil
	default:
		return publish.NewLog(logger.Named("audit")), nil
	}
}

// hashConfig is a hash of what a configuration says of the gateway: the app as it was loaded, and all routes.
func (in *instance) hashConfig() string {
	h := sha256.New()
	h.Write(in.config)
	for _, name := range slices.Sorted(maps.Keys(in.routes)) {
		for _, c := range in.routes[name] {
			io.WriteString(h, "\x00"+name+"\x00"+c.config)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hashOf is a hash of a part of a configuration as it was loaded, before anything is worked out.
func hashOf(part any) ([]byte, error) {
	text, err := json.Marshal(part)
	sum := sha256.Sum256(text)
	return sum[:], err
}
