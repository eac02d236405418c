package condition

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// truthy and deeper are the functions that operands of && and the like, and fields that a field is selected from or that
// are gone through, are wrapped in. No expression can name them.
const (
	truthy = "@truthy"
	deeper = "@deeper"
)

// environment is what conditions on calls run in, made once.
var environment = sync.OnceValues(func() (*cel.Env, error) { return ofCalls(cel.DynType) })

// ofCalls is what conditions on calls are written in.
func ofCalls(callType *cel.Type, more ...cel.EnvOption) (*cel.Env, error) {
	return tolerant(append(more, cel.Variable("call", callType), cel.Variable("tenant", cel.StringType),
		cel.Variable("source", cel.StringType), cel.Variable("event_type", cel.StringType))...)
}

// tolerant is CEL's standard library with comparisons that do not fail, and variables.
func tolerant(variables ...cel.EnvOption) (*cel.Env, error) {
	compare := func(op, id string, holds func(cmp int) bool) cel.EnvOption {
		return cel.Function(op, cel.Overload(id, []*cel.Type{cel.DynType, cel.DynType}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				cmp, ok := order(a, b)
				return types.Bool(ok && holds(cmp))
			})))
	}
	var ours []*env.Function
	for _, op := range []string{operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals} {
		ours = append(ours, env.NewFunction(op))
	}
	return cel.NewCustomEnv(append(variables,
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{ExcludeFunctions: ours})),
		compare(operators.Less, "callgate_less", func(c int) bool { return c < 0 }),
		compare(operators.LessEquals, "callgate_less_equals", func(c int) bool { return c <= 0 }),
		compare(operators.Greater, "callgate_greater", func(c int) bool { return c > 0 }),
		compare(operators.GreaterEquals, "callgate_greater_equals", func(c int) bool { return c >= 0 }),
		cel.Function(truthy, cel.Overload("callgate_truthy", []*cel.Type{cel.DynType}, cel.BoolType,
			cel.UnaryBinding(truth))),
		cel.Function(deeper, cel.Overload("callgate_deeper", []*cel.Type{cel.DynType}, cel.DynType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				if v == ref.Val(missing) {
					return newFields(nil)
				}
				return v
			}))),
		cel.ParserExpressionSizeLimit(maxSize),
		cel.ParserRecursionLimit(maxDepth),
	)...)
}

// tolerate wraps every field that stands where yes or no is asked for, so that a parameter that is missing, or was
// collected as text, can stand there; and every field that another is selected from, or that a list is wanted of, so
// that it may be missing. Where types are checked, fields of a
// type that cannot stand there stay as they are, so that they are found. decides tells that the whole is a condition.
func tolerate(tree *ast.AST, typed, decides bool) {
	next := ast.MaxID(tree)
	factory := ast.NewExprFactory()
	wrap := func(function string, e ast.Expr) {
		if !isField(e) || typed && hasType(e) {
			return
		}
		inner := factory.CopyExpr(e)
		e.SetKindCase(factory.NewCall(e.ID(), function, inner))
		inner.RenumberIDs(func(id int64) int64 {
			if id != e.ID() {
				return id
			}
			next++
			return next
		})
	}
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			if from := e.AsSelect().Operand(); !isParams(from) {
				wrap(deeper, from)
			}
		case ast.CallKind:
			c := e.AsCall()
			switch c.FunctionName() {
			case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
				for _, arg := range c.Args() {
					wrap(truthy, arg)
				}
			case operators.Conditional:
				wrap(truthy, c.Args()[0])
			case operators.Index:
				if from := c.Args()[0]; !isParams(from) {
					wrap(deeper, from)
				}
			case operators.In:
				wrap(deeper, c.Args()[1])
			}
		case ast.ComprehensionKind: // what exists, all, map and filter are made of
			wrap(deeper, e.AsComprehension().IterRange())
		}
	}))
	if decides {
		wrap(truthy, tree.Expr())
	}
}

// isField reports whether an expression selects a field: x.y or x["y"], but not has(x.y).
func isField(e ast.Expr) bool {
	switch e.Kind() {
	case ast.SelectKind:
		return !e.AsSelect().IsTestOnly()
	case ast.CallKind:
		return e.AsCall().FunctionName() == operators.Index
	default:
		return false
	}
}

// isParams reports whether an expression is call.params, which is never missing.
func isParams(e ast.Expr) bool {
	if e.Kind() != ast.SelectKind || e.AsSelect().FieldName() != "params" {
		return false
	}
	from := e.AsSelect().Operand()
	return from.Kind() == ast.IdentKind && from.AsIdent() == "call"
}
