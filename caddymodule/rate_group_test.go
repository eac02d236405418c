package caddymodule

import (
	"strings"
	"testing"
)

func TestRateGroupsOfTenantsAreTheirOwn(t *testing.T) {
	d := &Destination{RateGroup: "portal"}
	for name, want := range map[string]string{"crm": "portal", "acme/crm": "acme/portal"} {
		if got, err := d.rateGroup(name); got != want || err != nil {
			t.Errorf("%s is in the group %q, %v", name, got, err)
		}
	}
	if _, err := (&Destination{RateGroup: "a/b"}).rateGroup("crm"); err == nil {
		t.Error("a group may be named as a tenant's")
	}
}

func TestDestinationsThatCannotBeShared(t *testing.T) {
	for lines, want := range map[string]string{
		"rate_group a/b":              "rate_group",
		"shards 65":                   "1 to 64 shards",
		"shards 2\nrate_group portal": "choose one",
		"shards 8\nrate 4/s":          "cannot be divided",
	} {
		_, err := provision("{\ncallgate {\ndestination crm http https://crm.example.com/ {\npass_through\n" + lines + "\n}\n}\n}\n:80 {\ncallgate /x nextphone {\nsecret " + testSecret + "\ndeliver crm\n}\n}")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", lines, err)
		}
	}
}
