package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/outbound"
)

// Witness has checkpoints cosigned by somebody else, who remembers the last one and cosigns only what has grown out of it:
// C2SP's tlog-witness protocol, which litewitness speaks. What it has cosigned, the log's own key cannot take back.
type Witness struct {
	url, host string
	cosigner  *audit.Cosigner
	w         WitnessOptions

	mu sync.Mutex
	// last is how many records the last checkpoint has that it cosigned, as far as is known here.
	last int64
}

// WitnessOptions configures a Witness.
type WitnessOptions struct {
	// Prove makes the proof that the log of one size has grown out of the other: tlog.ProveTree over what the store has.
	Prove func(ctx context.Context, from, size int64) (tlog.TreeProof, error)
	// Cosigned is told of each checkpoint with its cosignature. nil: nobody is.
	Cosigned func(Signed)
	// Client sends; nil means one for the operator's own addresses.
	Client *outbound.Client
}

// NewWitness takes the URL that add-checkpoint is appended to, https or this machine's, and the witness's public key.
func NewWitness(address, vkey string, o WitnessOptions) (*Witness, error) {
	if err := outbound.CheckURL(address, false, true); err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, outbound.ErrBadURL
	}
	c, err := audit.NewCosigner(vkey)
	if err != nil {
		return nil, err
	}
	if o.Client == nil {
		o.Client = client(0)
	}
	return &Witness{url: strings.TrimRight(address, "/") + "/add-checkpoint", host: u.Host, cosigner: c, w: o}, nil
}

// Name is the kind and the host.
func (w *Witness) Name() string { return "witness " + w.host }

// Send has one cosigned. A witness that has seen a larger log, or another of the same size, is an [audit.RolledBackError].
func (w *Witness) Send(ctx context.Context, c Signed) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 3 { // what was seen last is told with the first refusal, and may change once more by another's request
		a, err := w.ask(ctx, c)
		if err != nil {
			return err
		}
		if a.Status != http.StatusConflict {
			return w.take(c, a)
		}
		seen, ok := seenSize(a)
		switch {
		case ok && seen > c.Size:
			return fmt.Errorf("%s: %w", w.Name(), &audit.RolledBackError{Published: seen, Size: c.Size})
		case !ok || seen == w.last:
			return fmt.Errorf("%s: %w", w.Name(), &audit.RolledBackError{Published: w.last, Size: c.Size, Changed: true})
		}
		w.last = seen
	}
	return errors.New(w.Name() + " says each time that it has seen another log last: does another gateway use the same key?")
}

func (w *Witness) ask(ctx context.Context, c Signed) (*outbound.Answer, error) {
	if w.last > c.Size {
		w.last = 0 // asks what it has seen
	}
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", w.last)
	if w.last > 0 {
		proof, err := w.w.Prove(ctx, w.last, c.Size)
		if err != nil {
			return nil, fmt.Errorf("the proof for %s cannot be made: %w", w.Name(), err)
		}
		for _, h := range proof {
			fmt.Fprintln(&body, h)
		}
	}
	body.WriteString("\n")
	body.Write(c.Note)
	r, err := outbound.NewRequest(ctx, http.MethodPost, w.url, body.Bytes())
	if err != nil {
		return nil, err
	}
	return w.w.Client.Do(ctx, r)
}

// seenSize reads out of a conflict which checkpoint the witness has cosigned last.
func seenSize(a *outbound.Answer) (int64, bool) {
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || kind != "text/x.tlog.size" {
		return 0, false
	}
	text := strings.TrimSuffix(string(a.Body), "\n")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == text
}

func (w *Witness) take(c Signed, a *outbound.Answer) error {
	switch a.Status {
	case http.StatusOK:
	case http.StatusNotFound:
		return fmt.Errorf("%s does not know the log %s, or is not at this URL: give it the public key of the audit log", w.Name(), c.Origin)
	case http.StatusForbidden:
		return fmt.Errorf("%s has another public key for the log %s", w.Name(), c.Origin)
	case http.StatusUnprocessableEntity:
		return fmt.Errorf("%s: %w", w.Name(), &audit.RolledBackError{Published: w.last, Size: c.Size, Changed: true})
	default:
		return fmt.Errorf("%s answered %d", w.Name(), a.Status)
	}
	signed, err := w.cosigner.Add(c.Note, a.Body)
	if err != nil {
		return fmt.Errorf("%s answered without its cosignature: is its public key the one in the configuration?", w.Name())
	}
	w.last = c.Size
	if w.w.Cosigned != nil {
		w.w.Cosigned(Signed{Checkpoint: c.Checkpoint, Note: signed})
	}
	return nil
}

// Seen asks how large the log was that the witness has seen last, by which a store that is older is found: see
// [audit.CheckAgainst]. It needs a signed checkpoint of the log, of any size above 0.
func (w *Witness) Seen(ctx context.Context, c Signed) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = 0
	a, err := w.ask(ctx, c)
	if err != nil {
		return 0, err
	}
	if a.Status == http.StatusConflict {
		if seen, ok := seenSize(a); ok {
			w.last = seen
			return seen, nil
		}
	}
	return 0, w.take(c, a)
}
