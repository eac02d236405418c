package caddymodule

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// unwritten are members that other lines say, or none.
var unwritten = map[string]bool{
	"to": true, "Destination.burst": true, "files_digest": true, "HTTPRequest.success": true, "HTTPStep.name": true, "HTTPStep.find_keep": true,
	"Sign.scheme": true, "Sign.secret": true, "Sign.forms": true, "HTTPPoll.at": true,
}

// textsOf are the texts of a struct in their order.
func textsOf(v reflect.Value) (list []string) {
	v = reflect.Indirect(v)
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.String && !f.IsZero():
			list = append(list, f.String())
		case v.Type().Field(i).Anonymous && f.Kind() == reflect.Struct:
			list = append(list, textsOf(f)...)
		}
	}
	return list
}

// inOneLine writes the texts of a struct behind a name.
func inOneLine(name string) func(*lineWriter, reflect.Value, reflect.Value) {
	return func(w *lineWriter, v, _ reflect.Value) { w.line(append([]string{name}, w.words(textsOf(v))...)...) }
}

func pairsAs(name string) func(*lineWriter, reflect.Value, reflect.Value) {
	return func(w *lineWriter, v, _ reflect.Value) { w.pairs(name, v.Interface().(map[string]string)) }
}

// ownLines write members whose lines have a form or a name of their own, by the name of the member, or of its struct and it.
// Kinds of destinations are known by their names alone, since no kind is known here.
var ownLines map[string]func(w *lineWriter, v, of reflect.Value)

func init() {
	ownLines = map[string]func(w *lineWriter, v, of reflect.Value){
		"headers": pairsAs("header"), "params": pairsAs("param"), "keep": pairsAs("keep"),
		"scopes": func(w *lineWriter, v, _ reflect.Value) { w.member("scope", v) },
		"basic":  inOneLine("basic"), "digest": inOneLine("digest"), "api_key": inOneLine("api_key"),
		"client_credentials": inOneLine("client_credentials"), "jwt": inOneLine("jwt"), "oauth": inOneLine("oauth"),
		"Salesforce.refresh_token": inOneLine("refresh_token"),
		"tls":                      func(w *lineWriter, v, _ reflect.Value) { w.struc(v.Elem()) },
		"Destination.rate": func(w *lineWriter, v, of reflect.Value) {
			words := []string{"rate", v.String()}
			if n := of.FieldByName("Burst").Int(); n > 0 {
				words = append(words, "burst", strconv.FormatInt(n, 10))
			}
			w.line(words...)
		},
		"exponential": func(w *lineWriter, v, _ reflect.Value) { w.block(v.Elem(), "retry", "exponential") },
		"sign": func(w *lineWriter, v, _ reflect.Value) {
			s := v.Elem()
			words := append([]string{s.FieldByName("Scheme").String(), s.FieldByName("Secret").String()}, s.FieldByName("Forms").Interface().([]string)...)
			w.block(s, append([]string{"sign"}, w.words(words)...)...)
		},
		"breaker": func(w *lineWriter, v, _ reflect.Value) {
			if v.Elem().FieldByName("Off").Bool() {
				w.line("breaker", "off")
				return
			}
			w.block(v.Elem(), "breaker")
		},
		"document": func(w *lineWriter, v, _ reflect.Value) {
			var text bytes.Buffer
			if err := json.Indent(&text, v.Bytes(), "", "  "); err != nil {
				w.err = cmp.Or(w.err, errors.New("no lines say the setting document; take it as JSON"))
				return
			}
			w.line("document", w.word(text.String()))
		},
		"success_if": func(w *lineWriter, v, of reflect.Value) { w.success(of) },
		"properties": func(w *lineWriter, v, _ reflect.Value) {
			m := v.Interface().(map[string]string)
			for _, k := range namesOf(m) {
				if m[k] == "" {
					w.line("omit", w.word(k))
				} else {
					w.line("property", w.word(k), w.word(m[k]))
				}
			}
		},
		"steps": func(w *lineWriter, v, _ reflect.Value) {
			for i := range v.Len() {
				step := v.Index(i).Elem()
				w.block(step, "step", step.FieldByName("Name").String())
			}
		},
		"find": func(w *lineWriter, v, of reflect.Value) {
			words := []string{"find", w.word(v.String())}
			keep := of.FieldByName("FindKeep").Interface().(map[string]string)
			if len(keep) == 0 {
				w.line(words...)
				return
			}
			w.line(append(words, "{")...)
			w.depth++
			w.pairs("keep", keep)
			w.depth--
			w.line("}")
		},
		"poll": func(w *lineWriter, v, _ reflect.Value) {
			words := []string{"poll"}
			if at := v.Elem().FieldByName("At").String(); at != "" {
				words = append(words, w.word(at))
			}
			w.block(v.Elem(), words...)
		},
		"Salesforce.fields": salesforceLines, "SalesforceCase.fields": salesforceLines, "SalesforceOpportunity.fields": salesforceLines, "SalesforceCampaignMember.fields": salesforceLines,
		"no_describe": func(w *lineWriter, _, _ reflect.Value) { w.line("describe", "off") },
	}
}

// success is the line with statuses and the expression.
func (w *lineWriter) success(of reflect.Value) {
	words := []string{"success"}
	if list, ok := of.FieldByName("Success").Interface().([]int); ok {
		for _, n := range list {
			words = append(words, strconv.Itoa(n))
		}
	}
	w.line(append(words, w.word(of.FieldByName("SuccessIf").String()))...)
}

// salesforceLines are the fields of a record.
func salesforceLines(w *lineWriter, v, _ reflect.Value) {
	for i := range v.Len() {
		f := v.Index(i)
		get := func(name string) string { return f.FieldByName(name).String() }
		words := []string{"field", w.word(get("Name"))}
		if from := get("From"); from != "" {
			words = append(words, w.word(from))
		}
		for _, named := range []string{"Text", "Default"} {
			if text := get(named); text != "" {
				words = append(words, strings.ToLower(named), w.word(text))
			}
		}
		if f.FieldByName("OnCreate").Bool() {
			words = append(words, "on_create")
		}
		if len(words) == 2 {
			words[0] = "omit"
		}
		w.line(words...)
	}
}
