package standin

import (
	"encoding/json"
	"os"
	"testing"
)

func TestTheCheckAcceptsSamplesAndRefusesMistakes(t *testing.T) {
	load := func(name string) map[string]any {
		b, err := os.ReadFile("../../testdata/fhir/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, one := range load("out-fhir-bundle.json")["entry"].([]any) {
		r := one.(map[string]any)["resource"].(map[string]any)
		if p := CheckResource(r, r["resourceType"].(string)); p != nil {
			t.Errorf("%s: %+v", r["resourceType"], p)
		}
	}
	for name, spoil := range map[string]func(map[string]any){
		"empty string":    func(m map[string]any) { m["description"] = "" },
		"blank":           func(m map[string]any) { m["description"] = "  " },
		"empty list":      func(m map[string]any) { m["input"] = []any{} },
		"null":            func(m map[string]any) { m["description"] = nil },
		"unknown element": func(m map[string]any) { m["phone"] = "1" },
		"no status":       func(m map[string]any) { delete(m, "status") },
		"code":            func(m map[string]any) { m["status"] = "open" },
		"part of a code":  func(m map[string]any) { m["status"] = "request" },
		"time":            func(m map[string]any) { m["authoredOn"] = "2026-01-01T00:00:42" },
		"list":            func(m map[string]any) { m["identifier"] = map[string]any{"value": "x"} },
		"not a list":      func(m map[string]any) { m["code"] = []any{map[string]any{"text": "x"}} },
		"not an object":   func(m map[string]any) { m["for"] = "Patient/1" },
		"number":          func(m map[string]any) { m["description"] = 1.0 },
		"other resource":  func(m map[string]any) { m["resourceType"] = "Patient" },
	} {
		m := load("out-fhir-task.json")
		spoil(m)
		if CheckResource(m, "Task") == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
