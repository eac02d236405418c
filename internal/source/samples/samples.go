// Package samples holds what senders send: at least one request of each preset, as tests read them and as a developer sends
// them to see what becomes of a call. The people in them are made up.
package samples

import (
	"bytes"
	"embed"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/source"
)

// Sample is a request of a sender, without its signature.
type Sample struct {
	// Preset is the name of the sender's preset.
	Preset string
	// Name is the sample's name, such as call-ended: the preset's name and a hyphen before it are the file's.
	Name string
	// EventType is how the preset calls the event, such as call_ended; it may be empty.
	EventType string
	// Method is GET where all is in the query, and else POST.
	Method string
	// Query is the query of the URL, encoded; most have none.
	Query string
	// ContentType is that of the body; empty where there is none.
	ContentType string
	// Body is the body byte for byte. It is the caller's own.
	Body []byte
}

// Each file is a sample. Its name begins with that of its preset, and its ending says what it is sent as.
//
//go:embed payloads
var files embed.FS

// All lists all samples by preset and name.
func All() []Sample {
	entries, err := files.ReadDir("payloads")
	if err != nil {
		panic(err) // they are built in
	}
	all := make([]Sample, 0, len(entries))
	for _, e := range entries {
		s, err := read(e.Name())
		if err != nil {
			panic(err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Sample) int { return strings.Compare(a.Preset+"\x00"+a.Name, b.Preset+"\x00"+b.Name) })
	return all
}

func read(file string) (s Sample, err error) {
	body, err := files.ReadFile("payloads/" + file)
	if err != nil {
		return s, err
	}
	name := strings.TrimSuffix(file, path.Ext(file))
	for _, p := range source.Presets() {
		if strings.HasPrefix(name, p.Name+"-") && len(p.Name) > len(s.Preset) {
			s.Preset = p.Name
		}
	}
	if s.Preset == "" {
		return s, fmt.Errorf("%s: no preset of that name", file)
	}
	s.Name, s.Method, s.Body = strings.TrimPrefix(name, s.Preset+"-"), http.MethodPost, body
	switch ext := path.Ext(file); ext {
	case ".json":
		s.ContentType = "application/json"
	case ".xml":
		s.ContentType = "text/xml"
	case ".form":
		s.ContentType = "application/x-www-form-urlencoded"
	case ".multipart":
		first, _, _ := bytes.Cut(body, []byte("\n"))
		s.ContentType = "multipart/form-data; boundary=" + strings.TrimPrefix(strings.TrimSpace(string(first)), "--")
	case ".query":
		s.Method, s.Query, s.Body = http.MethodGet, strings.TrimSpace(string(body)), nil
	default:
		return s, fmt.Errorf("%s: it is not known how a file of that ending is sent", file)
	}
	s.EventType = s.identity().EventType
	return s, nil
}

// identity is what the preset reads of the sample; nothing where it cannot be read.
func (s *Sample) identity() source.Identity {
	parser, err := source.New(s.Preset, source.Options{})
	if err != nil {
		return source.Identity{}
	}
	id, err := parser.Identify(&source.Request{Body: s.Body, Query: s.Query})
	if err != nil {
		return source.Identity{}
	}
	return id
}

// Of lists the samples of a preset.
func Of(preset string) []Sample {
	return slices.DeleteFunc(All(), func(s Sample) bool { return s.Preset != preset })
}

// Find gives the sample of a preset by its name or by the type of its event, however its words are joined: call-ended,
// call_ended and call.ended are one. Without a name it is the preset's own choice: what tells of a call that has ended, or
// else the first.
func Find(preset, event string) (s Sample, ok bool) {
	all := Of(preset)
	if event == "" {
		for _, usual := range []string{"call-ended", "call-completed", "end-of-call-report", "post-call", "post-call-transcription", "call-hangup", "hangup", "voice-status-callback", "lead"} {
			if i := slices.IndexFunc(all, func(s Sample) bool { return s.Name == usual }); i >= 0 {
				return all[i], true
			}
		}
		if len(all) == 0 {
			return s, false
		}
		return all[0], true
	}
	want := joined(event)
	for _, by := range []func(Sample) string{func(s Sample) string { return s.Name }, func(s Sample) string { return s.EventType }} {
		if i := slices.IndexFunc(all, func(s Sample) bool { return joined(by(s)) == want }); i >= 0 {
			return all[i], true
		}
	}
	return s, false
}

func joined(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '.' || r == ' ' || r == ':' {
			return '-'
		}
		return r
	}, strings.ToLower(name))
}
