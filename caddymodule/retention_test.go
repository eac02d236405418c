package caddymodule

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestRetentionOfTheDead(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"retention 30d":           {30 * 24 * time.Hour, 0},
		"retention 12h dead 90d":  {12 * time.Hour, 90 * 24 * time.Hour},
		"retention 30d dead":      {-1},
		"retention 30d alive 90d": {-1},
		"retention 30d dead soon": {-1},
		"retention 30d dead 0s":   {-1},
		"retention":               {-1},
	} {
		a := new(App)
		d := caddyfile.NewTestDispenser(text)
		d.Next()
		err := a.unmarshalRetention(d)
		switch {
		case want[0] < 0:
			if err == nil || !strings.Contains(err.Error(), "retention") && !strings.Contains(err.Error(), "is not a duration") {
				t.Errorf("%q: %v", text, err)
			}
		case err != nil || a.Retention != caddy.Duration(want[0]) || a.RetentionDead != caddy.Duration(want[1]):
			t.Errorf("%q: %v and %v, %v", text, a.Retention, a.RetentionDead, err)
		}
	}
}
