package operate

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// TestSending says what is sent to a destination in a test.
type TestSending struct {
	// Sample is the call: a preset's own sample unless it says otherwise.
	Sample
}

// TestSent is what a test came to.
type TestSent struct {
	// Outcome is delivered, retry or dead, as of a delivery, and Reason why it is not delivered.
	Outcome  string   `json:"outcome"`
	Status   int      `json:"status,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	RemoteID string   `json:"remote_id,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	TookMS   float64  `json:"took_ms"`
	// Masked tells that what a caller said was masked in what was sent.
	Masked bool `json:"masked,omitempty"`
	// Requests are those that were sent, each with the beginning of its answer, without secrets. It is empty for kinds of
	// systems that send in another way.
	Requests []TestedRequest `json:"requests"`
}

// TestedRequest is a request of a test and what came of it.
type TestedRequest struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Status int         `json:"status,omitempty"`
	Header http.Header `json:"headers,omitempty"`
	Answer string      `json:"answer,omitempty"`
	Error  string      `json:"error,omitempty"`
	TookMS float64     `json:"took_ms"`
}

// TestDestination sends a sample to a destination that is in force, as its deliveries are sent and marked as a test: with the
// header Callgate-Test, and an id that begins with test-. Nothing of it is stored. A stored call is sent masked, or for a
// reason by those who may see what callers said.
func (s *Service) TestDestination(ctx context.Context, a Actor, name string, in TestSending) (*TestSent, error) {
	r := Record{Operation: "TestDestination", Destination: name, Event: in.Event, Reason: in.Reason}
	if _, err := s.begin(ctx, a, r); err != nil {
		return nil, err
	}
	scene, err := s.scene(&PreviewInput{Source: "nextphone", Bare: true})
	if err != nil {
		return nil, err
	}
	if scene.Deliver == nil {
		return nil, &Error{Kind: ErrUnavailable, text: "nothing is sent while the gateway is stopped; start it, and try again"}
	}
	sampled, err := s.sample(ctx, a, "TestDestination", &in.Sample)
	if err != nil {
		return nil, err
	}
	item := sampled.item
	item.DeliveryID = "test-" + rand.Text()
	item.EventID = item.DeliveryID
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	ctx, trial := outbound.Tried(ctx)
	began := time.Now()
	result, ok := scene.Deliver(ctx, name, item)
	if !ok {
		return nil, &Error{Kind: ErrNotFound, text: "there is no such destination in force"}
	}
	s.o.Log.Info("an operator tested a destination", zap.String("destination", name), zap.String("outcome", result.Outcome.String()),
		zap.Int("status", result.Status), zap.String("by", a.Name), zap.String("via", a.Via))
	return testSent(&result, trial, sampled.masked, time.Since(began)), nil
}

func testSent(r *destination.Result, trial *outbound.Trial, masked bool, took time.Duration) *TestSent {
	out := &TestSent{Outcome: r.Outcome.String(), Status: r.Status, Reason: r.Reason, RemoteID: r.RemoteID, Warnings: r.Warnings, TookMS: milliseconds(took),
		Masked: masked, Requests: []TestedRequest{}}
	for _, q := range trial.Requests() {
		out.Requests = append(out.Requests, TestedRequest{Method: q.Method, URL: q.URL, Status: q.Status, Header: q.Header,
			Answer: strings.ToValidUTF8(q.Excerpt, "\ufffd"), Error: q.Error, TookMS: milliseconds(q.Took)})
	}
	return out
}
