package operate

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

func init() {
	draft := DraftInput{Body: json.RawMessage(`{"to":{"type":"http"}}`)}
	for name, try := range map[string]func(ctx context.Context, s *Service, a Actor, sample Sample) error{
		"BuilderKit": func(ctx context.Context, s *Service, a Actor, _ Sample) error {
			_, err := s.BuilderKit(ctx, a)
			return err
		},
		"BuilderBegin": func(ctx context.Context, s *Service, a Actor, _ Sample) error {
			_, err := s.BuilderBegin(ctx, a, Beginning{Example: "lead"})
			return err
		},
		"BuilderSample": func(ctx context.Context, s *Service, a Actor, sample Sample) error {
			_, err := s.BuilderSample(ctx, a, sample)
			return err
		},
		"PreviewDraft": func(ctx context.Context, s *Service, a Actor, sample Sample) error {
			_, err := s.PreviewDraft(ctx, a, DraftInput{Body: draft.Body, Sample: sample})
			return err
		},
		"TestDraft": func(ctx context.Context, s *Service, a Actor, _ Sample) error {
			_, err := s.TestDraft(ctx, a, TestInput{DraftInput{Body: draft.Body, Sample: Sample{Source: "retell", Payload: "{}"}}})
			return err
		},
		"DraftAsLines": func(ctx context.Context, s *Service, a Actor, _ Sample) error {
			_, err := s.DraftAsLines(ctx, a, draft)
			return err
		},
		"AccountFields": func(ctx context.Context, s *Service, a Actor, _ Sample) error {
			_, err := s.AccountFields(ctx, a, draft)
			return err
		},
	} {
		attempts[name] = func(ctx context.Context, s *Service, a Actor, _, event string) error {
			return try(ctx, s, a, Sample{Event: event})
		}
	}
}

// takesAll works every draft out too, and sends it nowhere.

func (takesAll) Open(context.Context, *store.Document) (*OpenDraft, error) {
	return &OpenDraft{
		Preview: func(destination.Item) ([]destination.Request, error) { return nil, nil },
		Deliver: func(context.Context, destination.Item) destination.Result {
			return destination.Result{Outcome: destination.Delivered}
		},
		Fields: func(context.Context) ([]destination.Field, error) { return nil, nil },
		Close:  func() {},
	}, nil
}

func (takesAll) Secrets() []ListedSecret { return nil }

func (takesAll) Lines(string, []byte) (string, error) { return "", errors.New("none") }

func (takesAll) Settings(string) (json.RawMessage, bool) { return nil, false }

// TestLookingAtACallIsRecordedOnceForAWhile: a preview follows each key, and the log does not.
func TestLookingAtACallIsRecordedOnceForAWhile(t *testing.T) {
	withRecords(t, func(t *testing.T, g *recorded) {
		in := DraftInput{Body: json.RawMessage(`{"to":{"type":"http"}}`), Sample: Sample{Event: g.event}}
		look := func(want int) {
			t.Helper()
			if _, err := g.PreviewDraft(t.Context(), somebody, in); err != nil || len(g.records) != want {
				t.Errorf("%v, %+v", err, g.records)
			}
		}
		look(1)
		look(1)
		in.Sample.Reason = "a complaint"
		look(2)
		if r := g.records[1]; r.Operation != "RevealEvent" || r.Event != g.event || r.Reason != "a complaint" || r.Tenant != "acme" {
			t.Errorf("%+v", r)
		}
		look(2)
		time.Sleep(lookAgain) // of the bubble
		look(3)
	})
}
