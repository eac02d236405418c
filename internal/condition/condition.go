// Package condition decides by a CEL expression whether an event goes to a destination, as in
//
//	deliver oncall `call.urgent || call.params.issue.contains("gas leak")`
//
// # Variables
//
//	call        the call record, with the names of call.Lookup: call.urgent, call.caller_number, call.params.x
//	tenant      the tenant's name, or ""
//	source      the source's name
//	event_type  the provider's own name for the event
//
// # What is found beforehand
//
// What can be known to be wrong before there is a call is refused: a field that no call has, such as call.urgnt (a
// collected parameter is call.params.x), a text or a number where yes or no is wanted, and comparisons and searches of
// fields whose types never fit.
//
// # Missing fields
//
// What a caller will say is not known when a condition is written, so nothing that is missing makes it fail. A missing
// field or parameter is the empty string: call.params.issue.contains("gas") is false without an issue, and so is
// call.params.x.y.z == "a" without any of the three. Where a list is wanted a missing one is empty: "vip" in
// call.params.tags and call.params.tags.exists(t, t == "vip") are false without tags. has(call.params.issue) tells whether
// it is there.
//
// Voice agents collect numbers and decisions as text as often as not. So the comparisons <, <=, > and >= read a text
// that is a number as one, and are false where the two sides cannot be compared, as with a missing one. Where yes or
// no is asked for (&&, ||, !, ? and the whole expression) a field may be a boolean, the text "true" or "yes", or a
// number that is not 0; everything else means no. Equality is CEL's: "30" == 30 is false.
package condition

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
	"github.com/callgate/callgate/internal/call"
)

const (
	// maxSize bounds an expression, in code points, and maxDepth its nesting.
	maxSize  = 4096
	maxDepth = 64
	// costLimit bounds the work of one evaluation, in CEL's units: about one for each operation, and one for ten
	// bytes of text that is searched. It allows half a dozen searches of a transcript of 500 KiB, and takes a tenth of a
	// second at the very worst.
	costLimit = 300_000
	// interruptEvery is how many steps of a comprehension are made between looks at the context.
	interruptEvery = 1000
)

// ErrCompile is wrapped by every error of Compile.
var ErrCompile = errors.New("condition is not valid")

// ErrEval is wrapped by every error of Eval.
var ErrEval = errors.New("condition could not be evaluated")

// Condition is a compiled expression. It is safe for concurrent use.
type Condition struct {
	text    string
	program cel.Program
}

// Input is what a condition is evaluated on.
type Input struct {
	// Call may be nil: every field is missing then.
	Call      *call.Call
	Tenant    string
	Source    string
	EventType string
}

// Compile reads an expression. Its errors wrap ErrCompile, name the line and column, counted from 1, and say what was
// probably meant.
func Compile(text string) (*Condition, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("%w: it is empty; leave it out to deliver every event", ErrCompile)
	}
	if err := checkTypes(text); err != nil {
		return nil, err
	}
	program, err := compile(text, environment, variables, true)
	if err != nil {
		return nil, err
	}
	return &Condition{text: text, program: program}, nil
}

// compile makes a program of a text in an environment, whose variables are named for errors. decides tells that it is to
// answer yes or no.
func compile(text string, environment func() (*cel.Env, error), variables []string, decides bool) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCompile, err)
	}
	ast, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, compileError(issues, variables)
	}
	tolerate(ast.NativeRep(), false, decides)
	ast, issues = env.Check(ast)
	if issues.Err() != nil {
		return nil, compileError(issues, variables)
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCompile, err)
	}
	return program, nil
}

func compileError(issues *cel.Issues, variables []string) error {
	var b strings.Builder
	for i, e := range issues.Errors() {
		if i == 3 {
			b.WriteString("; and more")
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, explain(e.Message, variables))
	}
	return fmt.Errorf("%w: %s", ErrCompile, b.String())
}

// String is the expression as it was written.
func (c *Condition) String() string { return c.text }

// Eval decides. With an error it answers true: an event that goes to one destination too many does less harm than one
// that is lost. The error wraps ErrEval and holds no value of the call.
func (c *Condition) Eval(ctx context.Context, in Input) (bool, error) {
	return eval(ctx, c.program, &activation{in})
}

func eval(ctx context.Context, program cel.Program, vars interpreter.Activation) (match bool, err error) {
	// The library is not ours, and an event must not be lost to a fault in it.
	defer func() {
		if p := recover(); p != nil {
			match, err = true, fmt.Errorf("%w: the evaluation broke (%T): simplify the expression", ErrEval, p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return true, fmt.Errorf("%w: %w", ErrEval, err)
	}
	result, _, err := program.ContextEval(ctx, vars)
	if err != nil {
		return true, fmt.Errorf("%w: %s", ErrEval, evalReason(ctx, err))
	}
	if b, ok := result.(types.Bool); ok {
		return bool(b), nil
	}
	return true, fmt.Errorf("%w: the result is neither true nor false: compare it with something", ErrEval)
}

// evalReason describes a runtime error without its text, which may quote what the caller said.
func evalReason(ctx context.Context, err error) string {
	text := err.Error()
	switch {
	case ctx.Err() != nil || strings.Contains(text, "interrupt"):
		return "it took too long: simplify the expression"
	case strings.Contains(text, "cost limit"):
		return "it is too costly for this call: simplify the expression, or search the summary instead of the transcript"
	case strings.Contains(text, "no such overload"), strings.Contains(text, "no matching overload"):
		return "a function does not fit the type of a field: convert it with string(), int() or double()"
	default:
		return "a field does not have the form that the expression expects: guard it with has() or a comparison"
	}
}
