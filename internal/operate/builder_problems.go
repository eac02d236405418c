package operate

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/template"
)

// conditioned are the conditions of a request, and of those that a step has besides.
type conditioned struct {
	SuccessIf string `json:"success_if"`
	Poll      *struct {
		Done   string `json:"done"`
		Failed string `json:"failed"`
	} `json:"poll"`
	Name string `json:"name"`
	When string `json:"when"`
}

// conditionProblems checks the conditions of a draft, also where the rest of it has a mistake.
func conditionProblems(body []byte) (list []DraftProblem) {
	var d struct {
		To struct {
			conditioned
			Steps []conditioned `json:"steps"`
		} `json:"to"`
	}
	if json.Unmarshal(body, &d) != nil {
		return nil
	}
	check := func(c *conditioned, before string) {
		answers := []struct{ field, text string }{{"success_if", c.SuccessIf}}
		if c.Poll != nil {
			answers = append(answers, []struct{ field, text string }{{"poll.done", c.Poll.Done}, {"poll.failed", c.Poll.Failed}}...)
		}
		for _, a := range answers {
			if a.text != "" {
				_, err := condition.CompileSuccess(a.text)
				list = append(list, conditionProblem(before+a.field, err)...)
			}
		}
		if c.When != "" {
			_, err := condition.Compile(c.When)
			list = append(list, conditionProblem(before+"when", err)...)
		}
	}
	check(&d.To.conditioned, "")
	for i := range d.To.Steps {
		check(&d.To.Steps[i], stepField(d.To.Steps[i].Name))
	}
	return list
}

// stepField is what the fields of a step begin with in problems.
func stepField(name string) string { return "steps." + name + "." }

// isCondition reports whether a field is one that conditionProblems looks at.
func isCondition(field string) bool {
	last := field[strings.LastIndexByte(field, '.')+1:]
	return last == "success_if" || last == "when" || strings.HasSuffix(field, "poll.done") || strings.HasSuffix(field, "poll.failed")
}

// conditionProblem is what is wrong with a condition, if there is something.
func conditionProblem(field string, err error) []DraftProblem {
	if err == nil {
		return nil
	}
	p := DraftProblem{Severity: "error", Field: field, Message: err.Error()}
	if m := conditionPlace.FindStringSubmatchIndex(p.Message); m != nil {
		p.Line, _ = strconv.Atoi(p.Message[m[2]:m[3]])
		p.Column, _ = strconv.Atoi(p.Message[m[4]:m[5]])
		p.Message = p.Message[m[1]:]
	}
	return []DraftProblem{p}
}

// WrongCondition says what is wrong with a condition on calls, and where; empty for nothing, and for none.
func WrongCondition(text string) string {
	if text == "" {
		return ""
	}
	if _, err := condition.Compile(text); err != nil {
		return strings.TrimPrefix(err.Error(), condition.ErrCompile.Error()+": ")
	}
	return ""
}

// conditionPlace is where a condition has a mistake.
var conditionPlace = regexp.MustCompile(`^(?:.*?: )?line (\d+), column (\d+): `)

var (
	// placedAt is where a document's text has a mistake, which nobody has written who builds it with a form.
	placedAt = regexp.MustCompile(`^destination \S+?:\d+:\d+: `)
	// conditionAt is where a condition has one.
	conditionAt = regexp.MustCompile(`^(success|success_if|when|poll: done|poll: failed): (?:.*?: )?line (\d+), column (\d+): `)
	// stepAt is the step in which something is wrong.
	stepAt = regexp.MustCompile(`^(?:to: )?step ([a-z0-9_]+): `)
	// settingOf is the setting that a message begins with.
	settingOf = regexp.MustCompile(`^(?:to: )?(?:header )?([A-Za-z][A-Za-z0-9_-]*)(?: ([A-Za-z0-9_-]+))?: `)
	bracedIn  = regexp.MustCompile(`\{\{([^{}|]+)\}\}`)
)

// variableIn is the variable that a message begins with.
func variableIn(message string) string {
	if m := bracedIn.FindStringSubmatchIndex(message); m != nil && m[0] == 0 {
		return message[m[2]:m[3]]
	}
	return ""
}

// problemsOf takes an error apart into what is wrong where.
func problemsOf(err error) []DraftProblem {
	switch e := err.(type) {
	case *template.Error:
		p := DraftProblem{Severity: "error", Field: e.Name, Line: e.Line, Column: e.Column, Variable: e.Variable, Message: e.Reason}
		if p.Field != "body" {
			p.Field, p.Line, p.Column = "", 0, 0
			if m := settingOf.FindStringSubmatch(e.Reason); m != nil {
				p.Field, p.Message = m[1], strings.TrimPrefix(e.Reason, m[0])
			}
		}
		if e.Variable != "" {
			p.Message = "{{" + e.Variable + "}}: " + p.Message
		}
		return []DraftProblem{p}
	case *definition.Error:
		p := DraftProblem{Severity: "error", Field: e.Field, Line: e.Line, Message: e.Reason}
		if e.Field == "body_template" {
			p.Field = "body"
		}
		return []DraftProblem{p}
	case interface{ Unwrap() []error }:
		var all []DraftProblem
		for _, inner := range e.Unwrap() {
			if inner != definition.ErrInvalid { // the kind alone, which says nothing
				all = append(all, problemsOf(inner)...)
			}
		}
		return all
	}
	text := placedAt.ReplaceAllString(err.Error(), "")
	if m := stepAt.FindStringSubmatch(text); m != nil {
		list := problemsOf(behind(err, text[len(m[0]):]))
		for i := range list {
			list[i].Field = strings.TrimSuffix(stepField(m[1])+list[i].Field, ".")
		}
		return list
	}
	if inner := errors.Unwrap(err); inner != nil && located(inner) {
		return problemsOf(inner)
	}
	p := DraftProblem{Severity: "error", Message: text}
	if m := conditionAt.FindStringSubmatch(text); m != nil {
		if p.Field = strings.ReplaceAll(m[1], ": ", "."); p.Field == "success" {
			p.Field = "success_if"
		}
		p.Line, _ = strconv.Atoi(m[2])
		p.Column, _ = strconv.Atoi(m[3])
		p.Message = text[len(m[0]):]
	} else if m := settingOf.FindStringSubmatch(text); m != nil {
		p.Field, p.Message = m[1], text[len(m[0]):]
	}
	return []DraftProblem{p}
}

// behind is the error within another one that says a text, which is the end of what the other one says.
func behind(err error, text string) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		if inner.Error() == text {
			return inner
		}
	}
	return errors.New(text)
}

// located reports whether somewhere in an error there is one that knows its place.
func located(err error) bool {
	_, t := errors.AsType[*template.Error](err)
	_, d := errors.AsType[*definition.Error](err)
	return t || d
}
