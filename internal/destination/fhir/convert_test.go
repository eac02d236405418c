package fhir

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/standin"
)

func TestConvert(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		err    error
		want   string
	}{
		"a transaction": {nil, nil, `"subject":{"type":"Patient","identifier":{"system":"https://hooks.example.com/patient-id","value":"PT-10023"}}`},
		"one resource":  {func(c *Config) { c.Kinds = []Kind{Communication} }, nil, `"resourceType":"Communication"`},
		"no patient":    {func(c *Config) { c.Patient = PatientNone }, nil, `"resourceType":"Bundle"`},
		"created":       {func(c *Config) { c.Patient = PatientCreate }, nil, `"resourceType":"Patient"`},
		"separate":      {func(c *Config) { c.Separate = true }, ErrSeveral, ""},
		"nothing":       {func(c *Config) { c.Kinds = []Kind{ServiceRequest}; c.Patient = PatientNone }, ErrNothing, ""},
	} {
		s := standin.NewFHIR(t, nil)
		req, err := build(t, s, c.change).Convert(t.Context(), item(sample()))
		if !errors.Is(err, c.err) {
			t.Fatalf("%s: %v, want %v", name, err, c.err)
		}
		if err != nil {
			continue
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode > 299 {
			t.Errorf("%s: %s %s %v", name, res.Status, answer, err)
		}
		all := s.Requests()
		if len(all) != 1 || !strings.Contains(string(all[0].Body), c.want) {
			t.Errorf("%s: %d requests, %s", name, len(all), all[0].Body)
		}
	}
}
