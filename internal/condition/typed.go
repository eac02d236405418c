package condition

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/nearest"
)

// What can be found wrong with a condition before there is a call is found by checking it against the types of the call's
// fields. It runs without them, since no field has to be there, and so that checking costs nothing where calls come in.

// recordType is the type of call where types are checked.
var recordType = cel.ObjectType("callgate.Call")

// strict is the environment in which conditions are checked; they run in environment.
var strict = sync.OnceValues(func() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	return ofCalls(recordType, cel.CustomTypeProvider(provider{registry}))
})

// provider knows the fields of the call. Parameters are whatever was collected.
type provider struct{ *types.Registry }

// FindStructType implements types.Provider.
func (p provider) FindStructType(name string) (*types.Type, bool) {
	if name == recordType.TypeName() {
		return types.NewTypeTypeWithParam(recordType), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if name == recordType.TypeName() {
		return call.Fields(), true
	}
	return p.Registry.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	switch {
	case name != recordType.TypeName():
		return p.Registry.FindStructFieldType(name, field)
	case field == "params":
		return &types.FieldType{Type: types.NewMapType(types.StringType, types.DynType)}, true
	case field == "urgent", field == "callback_requested":
		return &types.FieldType{Type: types.BoolType}, true
	case call.IsText(field):
		return &types.FieldType{Type: types.StringType}, true
	case call.IsField(field): // a number that may be missing, or a parameter that may stand in for it
		return &types.FieldType{Type: types.DynType}, true
	default:
		return nil, false
	}
}

// checkTypes finds fields that no call has, what can never be compared or searched, and expressions that give neither yes
// nor no.
func checkTypes(text string) error {
	env, err := strict()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCompile, err)
	}
	tree, issues := env.Parse(text)
	if issues.Err() != nil {
		return compileError(issues, variables)
	}
	nameFields(tree.NativeRep())
	tolerate(tree.NativeRep(), true, true)
	checked, issues := env.Check(tree)
	if issues.Err() != nil {
		return compileError(issues, variables)
	}
	if t := checked.OutputType(); t.Kind() != types.BoolKind && t.Kind() != types.DynKind {
		at := checked.NativeRep().SourceInfo().GetStartLocation(checked.NativeRep().Expr().ID())
		return fmt.Errorf("%w: line %d, column %d: the condition gives %s, and not yes or no; compare it with something, or ask with has() whether it is there",
			ErrCompile, at.Line(), at.Column()+1, describe(t))
	}
	return nil
}

// describe is a type in words.
func describe(t *types.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return "a text"
	case types.IntKind, types.UintKind, types.DoubleKind:
		return "a number"
	case types.MapKind, types.ListKind, types.StructKind:
		return "several values"
	default:
		return "a value of type " + t.String()
	}
}

// hasType reports whether an expression is a field of the call whose type is known to be none that can stand for yes or no,
// hold other fields or be a list.
func hasType(e ast.Expr) bool {
	if e.Kind() != ast.SelectKind || !isCall(e.AsSelect().Operand()) {
		return false
	}
	name := e.AsSelect().FieldName()
	return call.IsText(name) || name == "params" || !call.IsField(name)
}

func isCall(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "call" }

// nameFields writes call["phone"] as call.phone, whose type is known.
func nameFields(tree *ast.AST) {
	factory := ast.NewExprFactory()
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Index {
			return
		}
		args := e.AsCall().Args()
		if !isCall(args[0]) || args[1].Kind() != ast.LiteralKind {
			return
		}
		if name, ok := args[1].AsLiteral().(types.String); ok {
			e.SetKindCase(factory.NewSelect(e.ID(), args[0], string(name)))
		}
	}))
}

var (
	noField    = regexp.MustCompile(`^undefined field '(.*)'$`)
	noVariable = regexp.MustCompile(`^undeclared reference to '(.*)' \(in container '.*'\)$`)
	noOverload = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
)

var variables = []string{"call", "tenant", "source", "event_type"}

// explain puts an error of the type checker into words, with what was probably meant.
func explain(message string, variables []string) string {
	message, _, _ = strings.Cut(message, "\n")
	if m := noField.FindStringSubmatch(message); m != nil {
		text := fmt.Sprintf("a call has no field %q", m[1])
		if near := nearest.Name(m[1], call.Fields()); near != "" {
			return text + fmt.Sprintf("; did you mean call.%s, or the parameter call.params.%s?", near, m[1])
		}
		return text + fmt.Sprintf("; a collected parameter is call.params.%s", m[1])
	}
	if m := noVariable.FindStringSubmatch(message); m != nil {
		text := fmt.Sprintf("there is no %q", m[1])
		if call.IsField(m[1]) {
			return text + fmt.Sprintf("; the field is call.%s", m[1])
		}
		if near := nearest.Name(m[1], variables); near != "" {
			return text + fmt.Sprintf("; did you mean %s?", near)
		}
		if near := nearest.Name(m[1], call.Fields()); near != "" {
			return text + fmt.Sprintf("; did you mean call.%s?", near)
		}
		return text + "; the variables are " + strings.Join(variables, ", ")
	}
	if strings.HasPrefix(message, "expected type 'bool' but found ") {
		return "yes or no is wanted here; compare the field with something, or ask with has() whether it is there"
	}
	if m := noOverload.FindStringSubmatch(message); m != nil {
		name := strings.ReplaceAll(strings.TrimPrefix(m[1], "@"), "_", "")
		if m[1] == operators.Conditional {
			name = "?"
		}
		return fmt.Sprintf("%s cannot be used on %s; compare a text with a text and a number with a number, and ask with has() whether a field is there",
			name, readable.Replace(m[2]))
	}
	return readable.Replace(message)
}

// readable names the types of our own as they are known to who writes a condition.
var readable = strings.NewReplacer("callgate.Call", "call", "@", "")
