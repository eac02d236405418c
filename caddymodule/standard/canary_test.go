package standard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/source"
)

// contentTypes are those of the samples by their endings; SOAP and forms among them.
var contentTypes = map[string]string{
	".json": "application/json", ".xml": "text/xml", ".form": "application/x-www-form-urlencoded", ".multipart": "multipart/form-data; boundary=xYz",
}

// canarySample is what a sender sends, and what of it tells of a person.
type canarySample struct {
	preset, contentType string
	body                []byte
	personal            []string
}

// personalFields are the members of a record that tell of a person.
var personalFields = []string{"caller_number", "caller_name", "first_name", "last_name", "email", "message", "summary", "transcript", "notes", "address"}

// canarySamples are the samples of all presets.
func canarySamples(t *testing.T) (all []canarySample) {
	t.Helper()
	const dir = "../../internal/source/"
	files, err := filepath.Glob(dir + "samples/payloads/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		ending := filepath.Ext(file)
		name := strings.TrimSuffix(filepath.Base(file), ending)
		s := canarySample{contentType: contentTypes[ending]}
		for _, p := range source.Presets() {
			if strings.HasPrefix(name, p.Name+"-") && len(p.Name) > len(s.preset) {
				s.preset = p.Name
			}
		}
		text, err := os.ReadFile(dir + "testdata/records/" + name + ".json")
		if err != nil || s.preset == "" || s.contentType == "" {
			continue // several in one, or sent in an address
		}
		fields := map[string]any{}
		if json.Unmarshal(text, &fields) != nil {
			continue
		}
		if s.body, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		params, _ := fields["params"].(map[string]any)
		for _, field := range personalFields {
			for _, of := range []map[string]any{fields, params} {
				if value, ok := of[field].(string); ok {
					s.personal = append(s.personal, forms(field, value)...)
				}
			}
		}
		all = append(all, s)
	}
	return all
}

// forms are those in which a value may stand somewhere: a number also by its last digits and as people write it, and of what
// was said each line.
func forms(field, value string) (all []string) {
	if field == "caller_number" {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, value)
		if len(digits) < 10 {
			return nil
		}
		last := digits[len(digits)-10:]
		return []string{last, fmt.Sprintf("%s) %s-%s", last[:3], last[3:6], last[6:]), last[:3] + "-" + last[3:6] + "-" + last[6:], last[3:6] + "-" + last[6:]}
	}
	for line := range strings.SplitSeq(value, "\n") {
		if _, said, ok := strings.Cut(line, ": "); ok {
			line = said
		}
		if line = strings.TrimSpace(line); len(line) > 4 {
			all = append(all, line[:min(len(line), 30)])
		}
	}
	return all
}

// TestNothingOfACallIsSeenAnywhere: what senders of all presets say of people goes to the receivers, and is in no log, metric,
// alert or record, in no configuration and no header; also where a receiver quotes it in its refusal, and where it is refused.
func TestNothingOfACallIsSeenAnywhere(t *testing.T) {
	alerts, receiver := newEcho(t), newEcho(t)
	g := runCanaries(t, alerts, receiver)
	samples := canarySamples(t)
	taken, presets := 0, map[string]bool{}
	var personal []string
	for _, s := range samples {
		if g.send("/in/"+s.preset, s.contentType, s.body) == http.StatusOK && len(s.personal) > 0 {
			taken++
			presets[s.preset] = true
		}
		g.send("/sync/"+s.preset, s.contentType, s.body)
		g.send("/signed", s.contentType, s.body)                                    // whose signature is missing
		g.send("/in/"+s.preset, "application/json", s.body[:max(0, len(s.body)-3)]) // cut off
		personal = append(personal, s.personal...)
	}
	slices.Sort(personal)
	personal = slices.Compact(personal)
	if taken < 60 || len(presets) < 25 || len(personal) < 60 {
		t.Fatalf("%d samples of %d were taken, of %d presets, with %d values", taken, len(samples), len(presets), len(personal))
	}
	// All have reached one receiver; of those that fail some have been tried, before the gateway gave the receiver a rest, and
	// that is told.
	deadline := time.Now().Add(60 * time.Second)
	var stats string
	for {
		var s struct {
			Destinations []struct {
				Name            string
				Delivered, Dead int64
			}
		}
		stats = g.ask("GET", "/callgate/stats", "")
		if err := json.Unmarshal([]byte(stats), &s); err != nil {
			t.Fatal(err)
		}
		delivered, dead := int64(0), int64(0)
		for _, d := range s.Destinations {
			delivered, dead = max(delivered, d.Delivered), max(dead, d.Dead)
		}
		alerts.mu.Lock()
		told := alerts.said.Len()
		alerts.mu.Unlock()
		if delivered >= int64(taken) && dead > 4 && told > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all is tried: %s, and alerts of %d bytes", stats, told)
		}
		time.Sleep(50 * time.Millisecond)
	}
	seen := map[string]string{
		"the configuration": g.ask("GET", "/config/", ""), "the metrics": g.ask("GET", "/metrics", ""), "the statistics": stats,
		"the events":     g.ask("GET", "/callgate/events?limit=500", ""),
		"the deliveries": g.ask("GET", "/callgate/deliveries?limit=500", ""),
	}
	for _, format := range []string{"jsonl", "csv", "fhir"} {
		seen["the export as "+format] = g.ask("POST", "/callgate/audit/export", `{"format":"`+format+`"}`)
	}
	g.stop()
	for what, file := range map[string]string{"the log": g.log, "the checkpoints": g.store + ".published"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen[what] = string(text)
	}
	receiver.mu.Lock()
	seen["the headers of what was sent"], seen["the headers of answers"] = receiver.heads.String(), g.heads.String()
	received := receiver.said.String()
	receiver.mu.Unlock()
	alerts.mu.Lock()
	seen["an alert"] = alerts.said.String()
	alerts.mu.Unlock()

	arrived := 0
	for _, value := range personal {
		if strings.Contains(received, value) {
			arrived++
		}
		for what, text := range seen {
			// An export has thousands of letters of hashes, in which a short name stands by chance now and then.
			if len(value) < 7 && strings.HasPrefix(what, "the export") {
				continue
			}
			if at := strings.Index(text, value); at >= 0 {
				t.Errorf("%q stands in %s: …%s…", value, what, text[max(0, at-100):min(len(text), at+100)])
			}
		}
	}
	if arrived*2 < len(personal) {
		t.Errorf("of %d values %d reached a receiver, so that little is tried here", len(personal), arrived)
	}
	for what, text := range seen {
		if len(text) < 100 {
			t.Errorf("%s is %q, in which there could not be anything", what, text)
		}
	}
}
