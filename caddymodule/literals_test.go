package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every place where a secret can be written out is told of, and never with the secret.
func TestEveryLiteralSecretWarns(t *testing.T) {
	t.Setenv("SECRET", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	const literal = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	for name, lines := range map[string]string{
		"encryption key":   "encryption_key SECRET",
		"alert url":        "alert {\nurl https://hooks.example.com/SECRET\ndead_letter\n}",
		"source secret":    "source retell {\nsecret SECRET\n}",
		"tenant secret":    "tenant acme {\nsecret SECRET\n}",
		"one of a tenant":  "tenant acme {\nsource retell {\nsecret SECRET\n}\n}",
		"sign of a tenant": "tenant acme {\nsign nextphone SECRET\n}",
		"hash key":         "destination x http {\nurl https://crm.example.com/\nbody `{\"a\":1}`\nhash email\nhash_key SECRET\n}",
		"sign":             "destination x http {\nurl https://crm.example.com/\npass_through\nsign nextphone SECRET\n}",
		"header":           "destination x http {\nurl https://crm.example.com/\npass_through\nheader X-Api-Key SECRET\n}",
		"header of fhir":   "destination x fhir {\nbase https://ehr.example.com/\nheader X-Api-Key SECRET\n}",
		"authorization":    "destination x http {\nurl https://crm.example.com/\npass_through\nheader Authorization SECRET\n}",
		"bearer":           "destination x http {\nurl https://crm.example.com/\npass_through\nbearer SECRET\n}",
		"hubspot token":    "destination x hubspot {\ntoken SECRET\n}",
	} {
		for secret, want := range map[string]bool{literal: true, "{env.SECRET}": false} {
			file := filepath.Join(t.TempDir(), "log")
			_, err := provision("{\nlog {\noutput file " + file + "\nformat json\n}\ncallgate {\n" + strings.ReplaceAll(lines, "SECRET", secret) + "\n}\n}\n:80 {\nrespond ok\n}")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			log, err := os.ReadFile(file)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if got := bytes.Contains(log, []byte("a secret is written in the configuration")); got != want {
				t.Errorf("%s as %s: warned %t", name, secret, got)
			}
			if bytes.Contains(log, []byte(literal)) {
				t.Errorf("%s: the log shows the secret", name)
			}
			for line := range bytes.Lines(log) {
				if !json.Valid(line) {
					t.Errorf("%s: not JSON: %s", name, line)
				}
			}
		}
	}
}
