package adminapi

import (
	"testing"

	"github.com/callgate/callgate/internal/operate"
)

// TestOverviewOfWhatTheGatewayDid: the engine hands what it does to whom it is counted by.
func TestOverviewOfWhatTheGatewayDid(t *testing.T) {
	operated(t)
	var o operate.Overview
	ask(t, "GET", "/callgate/overview?window=hour", "").ok(&o)
	if o.Accepted != 6 || o.Window != "hour" || len(o.Destinations) != 2 || o.Store.Events != o.Accepted {
		t.Fatalf("%+v", o)
	}
	for _, d := range o.Destinations {
		if d.Attempted == 0 || d.Succeeded != d.Delivered || d.Buried != d.Dead {
			t.Errorf("%+v", d)
		}
	}
	if got := ask(t, "GET", "/callgate/overview?window=year", ""); got.status != 400 {
		t.Errorf("%d: %s", got.status, got.body)
	}
}
