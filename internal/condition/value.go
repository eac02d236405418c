package condition

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Value is a compiled expression that gives one value of a receiver's answer, as in
//
//	$.id
//	$.data.contacts[0].id
//	header["location"]
//	body.Response["@id"]
//
// Its variables are those of a Success; $ is another word for body. It is safe for concurrent use.
type Value struct {
	text    string
	program cel.Program
}

// CompileValue reads an expression. Its errors wrap ErrCompile and name the line and column, counted from 1.
func CompileValue(text string) (*Value, error) {
	source := strings.TrimSpace(text)
	if source == "" {
		return nil, fmt.Errorf("%w: it is empty; write where the value stands, such as $.id", ErrCompile)
	}
	if path, ok := strings.CutPrefix(source, "$"); ok {
		if strings.Contains(path, "..") || strings.Contains(path, "*") || strings.Contains(path, "?(") {
			return nil, fmt.Errorf("%w: a path names one value, such as $.data.id or $.items[0].id", ErrCompile)
		}
		source = "body" + path
	}
	program, err := compile(source, answers, answerVariables, false)
	if err != nil {
		return nil, err
	}
	return &Value{text: text, program: program}, nil
}

// String is the expression as it was written.
func (v *Value) String() string { return v.text }

// Eval is the value as text: a text without the spaces around it, a number, true or false. It is empty where the answer has
// none, or has several values in that place.
func (v *Value) Eval(ctx context.Context, a Answer) (text string) {
	// The library is not ours, and an answer must not be lost to a fault in it.
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	result, _, err := v.program.ContextEval(ctx, &answer{Answer: a})
	if err != nil {
		return ""
	}
	switch r := result.(type) {
	case types.String:
		return strings.TrimSpace(string(r))
	case types.Int:
		return strconv.FormatInt(int64(r), 10)
	case types.Uint:
		return strconv.FormatUint(uint64(r), 10)
	case types.Double:
		return strconv.FormatFloat(float64(r), 'f', -1, 64)
	case types.Bool:
		return strconv.FormatBool(bool(r))
	default:
		return ""
	}
}
