package salesforce

import (
	"strconv"
	"strings"
)

// usage is how many API requests an organization has made in the last 24 hours, and how many it may make.
type usage struct{ used, allowed int }

// parseUsage reads a Sforce-Limit-Info header, which comes in two forms:
//
//	api-usage=18/5000
//	api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)
//
// It returns the figure that is nearer to its limit, and ok only if there is one.
func parseUsage(header string) (u usage, ok bool) {
	if len(header) > 1000 {
		return usage{}, false
	}
	for part := range strings.SplitSeq(header, ";") {
		name, figures, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name != "api-usage" && name != "per-app-api-usage" {
			continue
		}
		figures, _, _ = strings.Cut(figures, "(")
		a, b, _ := strings.Cut(figures, "/")
		used, err := strconv.ParseUint(strings.TrimSpace(a), 10, 31)
		allowed, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 31)
		if err != nil || err2 != nil || allowed == 0 {
			continue
		}
		// The fractions are compared crosswise, because the limits differ.
		if !ok || used*uint64(u.allowed) > uint64(u.used)*allowed {
			u, ok = usage{int(used), int(allowed)}, true
		}
	}
	return u, ok
}

// warning is what is to be said when percent of the allowance are used; empty before.
func (u usage) warning(percent int) string {
	if percent < 0 || u.allowed == 0 || int64(u.used)*100 < int64(u.allowed)*int64(percent) {
		return ""
	}
	return "Salesforce API requests: " + strconv.Itoa(u.used) + " of " + strconv.Itoa(u.allowed) +
		" in 24 hours are used; deliveries wait when they run out"
}
