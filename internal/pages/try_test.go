package pages

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/source"
)

// TestATestIsSent to the destination that is chosen, and what came back is shown, whatever a stranger wrote into it.
func TestATestIsSent(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		parser, err := source.New("retell", source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var to []string
		d.service = operate.New(operate.Options{Store: d.store, Engine: d.engine, Scene: func(*operate.PreviewInput) (*operate.Scene, error) {
			return &operate.Scene{Parser: parser, Deliver: func(ctx context.Context, name string, item destination.Item) (destination.Result, bool) {
				to = append(to, name+" "+item.DeliveryID[:5])
				c := outbound.NewClient(outbound.Options{}) // which reaches no address of this machine
				defer c.CloseIdle()
				req, err := outbound.NewRequest(ctx, "POST", "https://127.0.0.1:1/x?token=of-theirs", nil)
				if err != nil {
					t.Error(err)
				}
				_, err = c.Do(ctx, req)
				return outbound.ResultFrom(nil, err, d.ui.o.Now()), true
			}}, nil
		}})
		got := d.as("otto", "try?destination=dispatch")
		if !strings.Contains(got.body, `<option value="dispatch" selected>`) || strings.Contains(got.body, "What came back") {
			t.Errorf("%s", text(t, got.body))
		}
		got = d.post("otto", "try", url.Values{"destination": {"dispatch"}, "source": {"retell"}})
		if got.status != 200 || len(to) != 1 || to[0] != "dispatch test-" || !says(t, got, "it was not taken") || strings.Contains(got.body, "of-theirs") {
			t.Errorf("%d %v %s", got.status, to, text(t, got.body))
		}
		if got := d.post("otto", "try", url.Values{"destination": {"nowhere"}, "source": {"retell"}}); got.status != http.StatusNotFound || len(to) != 1 {
			t.Errorf("%d %v", got.status, to)
		}
		for _, name := range []string{"vera", "dora", "bill"} {
			if got := d.post(name, "try", url.Values{"destination": {"dispatch"}, "source": {"retell"}}); got.status != http.StatusForbidden || len(to) != 1 {
				t.Errorf("%s: %d %v", name, got.status, to)
			}
		}
	})
}
