package condition

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
	"github.com/callgate/callgate/internal/xmljson"
)

// Success is a compiled expression that says of a receiver's answer whether it means success, as in
//
//	body.success == true
//	!has(body.errors)
//	body.Response.Status != "ERROR"
//	status != 409 || header["x-reason"] == "duplicate"
//	text.startsWith("OK")
//
// Its variables are
//
//	status  the status, a number
//	header  the header's fields by name, in any case; several of one name joined by ", "
//	body    the body if it is JSON or XML, and otherwise a set without fields. Of XML it has the outermost element by its
//	        name, and of each element the children and attributes ("@id") by theirs without namespaces, several of one name
//	        as a list; an element with neither is its text
//	text    the body as text
//
// and what is missing makes it fail no more than in a Condition. It is safe for concurrent use.
type Success struct {
	text    string
	program cel.Program
}

// Answer is what a Success is evaluated on.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

var answers = sync.OnceValues(func() (*cel.Env, error) {
	return tolerant(cel.Variable("status", cel.IntType), cel.Variable("header", cel.DynType),
		cel.Variable("body", cel.DynType), cel.Variable("text", cel.StringType))
})

var answerVariables = []string{"status", "header", "body", "text"}

// CompileSuccess reads an expression. Its errors wrap ErrCompile and name the line and column, counted from 1.
func CompileSuccess(text string) (*Success, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("%w: it is empty; leave it out to go by the status alone", ErrCompile)
	}
	program, err := compile(text, answers, answerVariables, true)
	if err != nil {
		return nil, err
	}
	return &Success{text: text, program: program}, nil
}

// String is the expression as it was written.
func (s *Success) String() string { return s.text }

// Eval decides. With an error it answers false: what is not known to have been taken is sent again. The error wraps
// ErrEval and holds nothing of the answer.
func (s *Success) Eval(ctx context.Context, a Answer) (bool, error) {
	match, err := eval(ctx, s.program, &answer{Answer: a})
	return match && err == nil, err
}

// answer gives the variables their values.
type answer struct {
	Answer
	body any
	read bool
}

// ResolveName implements interpreter.Activation.
func (a *answer) ResolveName(name string) (any, bool) {
	switch name {
	case "status":
		return types.Int(a.Status), true
	case "header":
		return &fields{get: a.field}, true
	case "text":
		return types.String(strings.ToValidUTF8(string(a.Body), "\ufffd")), true
	case "body":
		if !a.read {
			a.body, a.read = ReadBody(a.Body), true
		}
		if a.body == nil {
			return newFields(nil), true
		}
		return value(a.body), true
	default:
		return nil, false
	}
}

// Parent implements interpreter.Activation.
func (a *answer) Parent() interpreter.Activation { return nil }

func (a *answer) field(name string) (any, bool) {
	v := a.Header.Values(name)
	return strings.Join(v, ", "), len(v) > 0
}

// ReadBody is a body of JSON or XML as encoding/json reads the former, with numbers as json.Number; nil if it is neither.
func ReadBody(body []byte) (v any) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) > 0 && body[0] == '<' {
		var err error
		if body, _, err = xmljson.Convert(nil, body); err != nil {
			return nil
		}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil // something follows it
	}
	return v
}
