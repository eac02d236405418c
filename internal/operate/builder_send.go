package operate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/destination"
)

// TestInput is a draft and the call that it is sent with.
type TestInput struct{ DraftInput }

// TestResult is what a receiver answered.
type TestResult struct {
	// Outcome is delivered, retry or dead, as of a delivery.
	Outcome string  `json:"outcome"`
	Status  int     `json:"status,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	TookMS  float64 `json:"took_ms"`
	// Answer is the beginning of the receiver's answer.
	Answer   string   `json:"answer,omitempty"`
	RemoteID string   `json:"remote_id,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Problems are why nothing was sent.
	Problems []DraftProblem `json:"problems,omitempty"`
}

// testTimeout bounds a test, whose sender waits for it.
const testTimeout = 30 * time.Second

// TestHeader marks the requests of a test.
const TestHeader = "Callgate-Test"

// TestDraft sends one request as a draft would, marked as a test: with the header Callgate-Test where the kind of system
// has headers, and with an id that begins with test-. A stored call is sent only for a reason, by those who may see what
// callers said.
func (s *Service) TestDraft(ctx context.Context, a Actor, in TestInput) (*TestResult, error) {
	drafts, err := s.beginDraft(ctx, a, Record{Operation: "TestDraft", Destination: in.Name, Event: in.Sample.Event, Reason: in.Sample.Reason})
	if err != nil {
		return nil, err
	}
	if in.Sample.Event != "" && in.Sample.Reason == "" {
		return nil, badRequest("a stored call is sent in a test for a reason only: say why, or test with a sample")
	}
	sampled, err := s.sample(ctx, a, "TestDraft", &in.Sample)
	if err != nil {
		return nil, err
	}
	in.Body = marked(in.Body)
	doc, missing, err := s.composed(ctx, a, drafts, &in.DraftInput)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, badRequest("the secret %s has no value yet", missing[0])
	}
	open, err := drafts.Open(ctx, doc)
	if open != nil {
		defer open.Close()
	}
	if err != nil {
		return &TestResult{Outcome: "dead", Reason: "nothing was sent: the draft has a mistake", Problems: problemsOf(err)}, nil
	}
	item := sampled.item
	item.DeliveryID = "test-" + rand.Text()
	item.EventID = item.DeliveryID
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	began := time.Now()
	r := open.Deliver(ctx, item)
	s.o.Log.Info("an operator tested a destination", zap.String("name", in.Name), zap.String("outcome", r.Outcome.String()), zap.Int("status", r.Status), zap.String("by", a.Name), zap.String("via", a.Via))
	return &TestResult{
		Outcome: r.Outcome.String(), Status: r.Status, Reason: r.Reason, TookMS: float64(time.Since(began).Microseconds()) / 1000,
		Answer: strings.ToValidUTF8(string(r.Excerpt), "�"), RemoteID: r.RemoteID, Warnings: r.Warnings,
	}, nil
}

// marked is a document whose requests carry TestHeader, if it is one of an http destination.
func marked(body []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return body
	}
	at := "to"
	if members["to"] == nil {
		at = "" // a webhook document
	}
	settings := members
	if at != "" {
		settings = nil
		if json.Unmarshal(members["to"], &settings) != nil || string(settings["type"]) != `"http"` {
			return body
		}
	}
	headers := map[string]json.RawMessage{}
	if settings["headers"] != nil && json.Unmarshal(settings["headers"], &headers) != nil {
		return body
	}
	headers[TestHeader] = json.RawMessage(`"true"`)
	write := func(v any) json.RawMessage {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // of texts that were read from JSON
		}
		return text
	}
	settings["headers"] = write(headers)
	if at != "" {
		members["to"] = write(settings)
	}
	return write(members)
}

// FieldList are the fields that an account has.
type FieldList struct {
	Fields []destination.Field `json:"fields"`
}

// AccountFields asks the system of a draft which fields its account has, with the draft's own credentials.
func (s *Service) AccountFields(ctx context.Context, a Actor, in DraftInput) (*FieldList, error) {
	drafts, err := s.beginDraft(ctx, a, Record{Operation: "AccountFields", Destination: in.Name})
	if err != nil {
		return nil, err
	}
	doc, missing, err := s.composed(ctx, a, drafts, &in)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, badRequest("the secret %s has no value yet", missing[0])
	}
	open, err := drafts.Open(ctx, doc)
	if open != nil {
		defer open.Close()
	}
	if err != nil {
		return nil, badRequest("the account cannot be asked: %s", problemsOf(err)[0].Message)
	}
	if open.Fields == nil {
		return nil, badRequest("this kind of destination has no account that could be asked; type the names")
	}
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	fields, err := open.Fields(ctx)
	if err != nil {
		return nil, badRequest("the account does not tell its fields, so type their names: %s", err)
	}
	return &FieldList{fields}, nil
}
