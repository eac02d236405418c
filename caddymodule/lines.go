package caddymodule

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// destinationLines writes a document of a destination as a Caddyfile that says the same: its secrets come from the
// environment there. The lines are read again and compared, so that they are right or an error says which setting they do
// not say.
func destinationLines(name string, body []byte) (string, error) {
	name = cmp.Or(name, "draft")
	if err := checkDestinationName(name); err != nil {
		return "", err
	}
	body = secretRef.ReplaceAll(asDestination(body), []byte("{env.$1}"))
	d, _, err := parseSettings[Destination](body, "destination")
	if err != nil {
		return "", err
	}
	kind, module, err := settingsOf(d.ToRaw)
	if err != nil {
		return "", err
	}
	w := &lineWriter{depth: 3}
	w.head("destination", name, kind)
	w.struc(reflect.ValueOf(module).Elem())
	w.struc(reflect.ValueOf(d).Elem())
	w.depth--
	w.line("}")
	if w.err != nil {
		return "", w.err
	}
	text := "{\n\tcallgate {\n" + w.b.String() + "\t}\n}\n"
	return text, sameLines(text, name, d)
}

// settingsOf are the settings of a kind, as its module has them.
func settingsOf(raw json.RawMessage) (kind string, module caddy.Module, err error) {
	var to struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &to) != nil || to.Type == "" {
		return "", nil, errors.New(`the destination has no kind; say what it is with "type" in "to"`)
	}
	info, err := caddy.GetModule("callgate.destinations." + to.Type)
	if err != nil {
		return "", nil, fmt.Errorf("there is no kind of destination %.60q", to.Type)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return "", nil, errors.New("the settings of the destination are not an object")
	}
	delete(members, "type")
	text, err := json.Marshal(members)
	if err != nil {
		return "", nil, err
	}
	module = info.New()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if dec.Decode(module) != nil { // the error may quote a setting
		return "", nil, fmt.Errorf("the settings of %s cannot be read; look at the errors of the preview", to.Type)
	}
	return to.Type, module, nil
}

// sameLines makes sure that lines are read as the destination that they were written of, and are in the form of caddy fmt.
func sameLines(text, name string, want *Destination) error {
	if !bytes.Equal(caddyfile.Format([]byte(text)), []byte(text)) {
		return errors.New("no lines say this in the form that caddy fmt has; take it as JSON")
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return errors.New("no lines say all of this: what has braces and quotes in it, or names files, may stand in JSON only")
	}
	var config struct {
		Apps struct {
			Callgate App `json:"callgate"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(adapted, &config); err != nil {
		return err
	}
	got := config.Apps.Callgate.Destinations[name]
	if got == nil {
		return errors.New("no lines say this; take it as JSON")
	}
	if at := differs(got, want); at != "" {
		return fmt.Errorf("no lines say the setting %s as it is; take it as JSON", at)
	}
	return nil
}

// differs is the first setting in which two destinations differ; empty if there is none.
func differs(a, b *Destination) string {
	var plain [2]map[string]any
	for i, d := range []*Destination{a, b} {
		kind, module, err := settingsOf(d.ToRaw)
		if err != nil {
			return "to"
		}
		own := *d
		own.ToRaw = nil
		for _, v := range []any{module, &own} {
			text, err := json.Marshal(v)
			if err != nil || json.Unmarshal(text, &plain[i]) != nil {
				return "to"
			}
		}
		plain[i]["to"] = kind
		delete(plain[i], "files_digest")
	}
	for _, m := range plain {
		for name := range m {
			if !reflect.DeepEqual(plain[0][name], plain[1][name]) {
				return name
			}
		}
	}
	return ""
}

// lineWriter writes settings as lines.
type lineWriter struct {
	b     strings.Builder
	depth int
	err   error
}

func (w *lineWriter) line(words ...string) {
	w.b.WriteString(strings.Repeat("\t", w.depth) + strings.Join(words, " ") + "\n")
}

// head begins a block.
func (w *lineWriter) head(words ...string) {
	w.depth--
	w.line(append(words, "{")...)
	w.depth++
}

// block is a line with a block of the members of a struct, or without one if none is set.
func (w *lineWriter) block(v reflect.Value, words ...string) {
	inner := &lineWriter{depth: w.depth + 1}
	inner.struc(v)
	w.err = cmp.Or(w.err, inner.err)
	if inner.b.Len() == 0 {
		w.line(words...)
		return
	}
	w.line(append(words, "{")...)
	w.b.WriteString(inner.b.String())
	w.line("}")
}

// plainWord is what needs no quotes.
var plainWord = regexp.MustCompile(`^(?:[A-Za-z0-9_./:@%?&=+*,~!-]|\{(?:env|file)\.[A-Za-z0-9_./-]+\})+$`)

// word is a value in a line. One of several lines is a heredoc, which has to be the last of its line.
func (w *lineWriter) word(s string) string {
	switch {
	case plainWord.MatchString(s) && s != "{":
		return s
	case strings.ContainsAny(s, "\n"):
		marker := "BODY"
		for strings.Contains(s, marker) {
			marker += "_"
		}
		in := strings.Repeat("\t", w.depth+1)
		var b strings.Builder
		b.WriteString("<<" + marker + "\n")
		for line := range strings.SplitSeq(s, "\n") {
			if line != "" {
				b.WriteString(in + line)
			}
			b.WriteByte('\n')
		}
		return b.String() + in + marker
	case !strings.ContainsAny(s, "\"\\"):
		return `"` + s + `"`
	case !strings.Contains(s, "`"):
		return "`" + s + "`"
	}
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}

func (w *lineWriter) words(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = w.word(s)
	}
	return out
}

// struc writes the members of a struct, those of embedded ones among them.
func (w *lineWriter) struc(v reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		f, value := t.Field(i), v.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && value.Kind() == reflect.Struct && f.IsExported():
			w.struc(value)
		case name == "" || name == "-" || value.IsZero():
		case unwritten[t.Name()+"."+name] || unwritten[name]:
		case ownLines[t.Name()+"."+name] != nil:
			ownLines[t.Name()+"."+name](w, value, v)
		case ownLines[name] != nil:
			ownLines[name](w, value, v)
		default:
			w.member(name, value)
		}
	}
}

// member writes a member by its type.
func (w *lineWriter) member(name string, v reflect.Value) {
	switch x := v.Interface().(type) {
	case caddy.Duration:
		w.line(name, time.Duration(x).String())
		return
	case []caddy.Duration:
		w.line(append([]string{name}, durations(x)...)...)
		return
	case []string:
		w.line(append([]string{name}, w.words(x)...)...)
		return
	case map[string]string:
		w.pairs(name, x)
		return
	}
	switch v.Kind() {
	case reflect.String:
		w.line(name, w.word(v.String()))
	case reflect.Bool:
		w.line(name)
	case reflect.Int, reflect.Int64:
		w.line(name, strconv.FormatInt(v.Int(), 10))
	case reflect.Float64:
		w.line(name, strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case reflect.Pointer:
		w.block(v.Elem(), name)
	default:
		w.err = cmp.Or(w.err, fmt.Errorf("no lines say the setting %s; take it as JSON", name))
	}
}

func durations(list []caddy.Duration) (words []string) {
	for _, d := range list {
		words = append(words, time.Duration(d).String())
	}
	return words
}

// pairs are a line for each member of a map.
func (w *lineWriter) pairs(name string, m map[string]string) {
	for _, k := range namesOf(m) {
		w.line(name, w.word(k), w.word(m[k]))
	}
}
