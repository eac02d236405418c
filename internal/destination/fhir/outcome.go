package fhir

import (
	"encoding/json"
	"strings"
)

// Issue is one issue of an OperationOutcome, as far as it may be shown: never its diagnostics, which quote what was
// sent.
type Issue struct {
	// Severity is fatal, error, warning or information.
	Severity string
	// Code is the kind of issue (R4, value set issue-type), such as "required".
	Code string
	// Detail is the server's own code, such as MSG_PARAM_INVALID, if it gave one.
	Detail string
	// At are the elements concerned, such as Communication.status.
	At []string
}

// maxIssues bounds what is read of an OperationOutcome.
const maxIssues = 20

// Issues reads the issues of an OperationOutcome in JSON. It returns nil for anything else. Codes and paths that do not
// look like such are left out, since they might be values.
func Issues(body []byte) []Issue {
	var raw struct {
		ResourceType string `json:"resourceType"`
		Issue        []struct {
			Severity   string `json:"severity"`
			Code       string `json:"code"`
			Expression []any  `json:"expression"`
			Details    struct {
				Coding []struct {
					Code string `json:"code"`
				} `json:"coding"`
			} `json:"details"`
		} `json:"issue"`
	}
	if json.Unmarshal(body, &raw) != nil || raw.ResourceType != "OperationOutcome" {
		return nil
	}
	var all []Issue
	for _, r := range raw.Issue[:min(len(raw.Issue), maxIssues)] {
		i := Issue{Code: word(r.Code, lower+"-", 30)}
		switch r.Severity {
		case "fatal", "error", "warning", "information":
			i.Severity = r.Severity
		}
		for _, e := range r.Expression[:min(len(r.Expression), 3)] {
			s, _ := e.(string)
			// A path begins with the name of a resource.
			if s = word(s, lower+upper+digits+".[]", 100); s != "" && strings.Contains(upper, s[:1]) && strings.Contains(s, ".") {
				i.At = append(i.At, s)
			}
		}
		if len(r.Details.Coding) > 0 {
			if s := word(r.Details.Coding[0].Code, upper+digits+"_", 40); strings.ContainsAny(s, upper) {
				i.Detail = s
			}
		}
		all = append(all, i)
	}
	return all
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// word returns s if it consists of the characters and is not too long, else nothing.
func word(s, of string, most int) string {
	if len(s) > most || strings.Trim(s, of) != "" {
		return ""
	}
	for _, c := range []byte(s) {
		if strings.IndexByte(of, c) < 0 {
			return ""
		}
	}
	return s
}

// describe puts the issues that matter in a few words, or returns nothing.
func describe(issues []Issue) string {
	var all []string
	for _, i := range issues {
		if i.Severity == "warning" || i.Severity == "information" || i.Code == "" {
			continue
		}
		s := i.Code
		if i.Detail != "" {
			s += " (" + i.Detail + ")"
		}
		if len(i.At) > 0 {
			s += " at " + strings.Join(i.At, ", ")
		}
		if all = append(all, s); len(all) == 3 {
			break
		}
	}
	return strings.Join(all, "; ")
}

// passing reports whether the issues say that the failure will pass (R4, issue-type "transient" and its children).
func passing(issues []Issue) bool {
	yes := false
	for _, i := range issues {
		switch {
		case i.Severity == "warning" || i.Severity == "information":
		case i.Code == "transient", i.Code == "lock-error", i.Code == "no-store", i.Code == "timeout",
			i.Code == "incomplete", i.Code == "throttled":
			yes = true
		default:
			return false
		}
	}
	return yes
}
