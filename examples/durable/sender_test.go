//go:build unix

package durable_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

// call is the body of a call with an id of its own, padded to some two kilobytes.
func call(id string) []byte {
	return fmt.Appendf(nil, `{"lead":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.example","call_id":%q,"notes":%q}}`,
		id, bytes.Repeat([]byte("leaky pipe in kitchen "), 90))
}

// sender sends signed calls.
type sender struct {
	client *http.Client
	signer signature.Signer
}

func newSender(t *testing.T) *sender {
	t.Helper()
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &sender{client: &http.Client{Transport: transport, Timeout: 20 * time.Second}, signer: signer}
}

// answer is what the gateway says.
type answer struct {
	status int
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  struct {
		Code string `json:"code"`
	} `json:"error"`
	retryAfter string
}

func (s *sender) send(url string, body []byte) (a answer, err error) {
	m := signature.Message{Method: http.MethodPost, URL: url, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
	if err := s.signer.Sign(&m, "", time.Now()); err != nil {
		return a, err
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header = m.Header
	res, err := s.client.Do(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("status %d, answer %q: %w", res.StatusCode, text, err)
	}
	a.status, a.retryAfter = res.StatusCode, res.Header.Get("Retry-After")
	return a, nil
}

// accepted sends a call that has to be accepted.
func (s *sender) accepted(t *testing.T, url, id string) {
	t.Helper()
	if a, err := s.send(url, call(id)); err != nil || a.status != 200 || a.Status != "accepted" {
		t.Fatalf("call %s: %v, answer %+v", id, err, a)
	}
}

// arrival is one request that a receiver got, and answered with 200 unless the sender had gone by then.
type arrival struct {
	id, webhookID, attempt string
	generation             int
	intact                 bool // the body is that of the call, byte for byte
}

// ledger has all that arrived, from all receivers of a test.
type ledger struct {
	mu       sync.Mutex
	arrivals []arrival
	distinct map[string]int // by call
}

func newLedger() *ledger { return &ledger{distinct: map[string]int{}} }

func (l *ledger) add(a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrivals = append(l.arrivals, a)
	l.distinct[a.id]++
}

func (l *ledger) calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.distinct)
}

// arrived tells whether all of these calls have arrived.
func (l *ledger) arrived(ids map[string]bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range ids {
		if l.distinct[id] == 0 {
			return false
		}
	}
	return true
}

// of are the arrivals of one call.
func (l *ledger) of(id string) (list []arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.arrivals {
		if a.id == id {
			list = append(list, a)
		}
	}
	return list
}

// receiverDown starts a receiver that answers 503 until it is told to be up.
func (l *ledger) receiverDown(t *testing.T, generation int) (up *atomic.Bool, port int) {
	t.Helper()
	up = new(atomic.Bool)
	_, port = l.receiver(t, generation, func(string, *http.Request) int {
		if up.Load() {
			return 0
		}
		return http.StatusServiceUnavailable
	})
	return up, port
}

// receiver starts a receiver for one generation of the gateway, so that what a gateway sent before it was killed cannot
// be taken for what the next one sends. before is called with every call that arrives, and answers it if it returns a
// status other than 0.
func (l *ledger) receiver(t *testing.T, generation int, before func(id string, r *http.Request) int) (*httptest.Server, int) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the gateway was killed in the middle of it
		}
		var c struct {
			Lead struct {
				ID string `json:"call_id"`
			} `json:"lead"`
		}
		if err := json.Unmarshal(body, &c); err != nil {
			t.Errorf("a request that is no call: %v\n%q", err, body)
			return
		}
		id := c.Lead.ID
		if before != nil {
			if status := before(id, r); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		l.add(arrival{
			id: id, webhookID: r.Header.Get("Webhook-Id"), attempt: r.Header.Get("Callgate-Attempt"), generation: generation,
			intact: bytes.Equal(body, call(id)),
		})
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	return s, portOf(s)
}

func portOf(s *httptest.Server) int { return s.Listener.Addr().(*net.TCPAddr).Port }
