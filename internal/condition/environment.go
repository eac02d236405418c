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

// truthy is the function that operands of && and the like are wrapped in; no expression can name it.
const truthy = "@truthy"

// environment is CEL's standard library with comparisons that do not fail, made once.
var environment = sync.OnceValues(func() (*cel.Env, error) {
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
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{ExcludeFunctions: ours})),
		compare(operators.Less, "callgate_less", func(c int) bool { return c < 0 }),
		compare(operators.LessEquals, "callgate_less_equals", func(c int) bool { return c <= 0 }),
		compare(operators.Greater, "callgate_greater", func(c int) bool { return c > 0 }),
		compare(operators.GreaterEquals, "callgate_greater_equals", func(c int) bool { return c >= 0 }),
		cel.Function(truthy, cel.Overload("callgate_truthy", []*cel.Type{cel.DynType}, cel.BoolType,
			cel.UnaryBinding(truth))),
		cel.Variable("call", cel.DynType),
		cel.Variable("tenant", cel.StringType),
		cel.Variable("source", cel.StringType),
		cel.Variable("event_type", cel.StringType),
		cel.ParserExpressionSizeLimit(maxSize),
		cel.ParserRecursionLimit(maxDepth),
	)
})

// readAsBool wraps every field that stands where yes or no is asked for, so that a parameter that is missing, or was
// collected as text, can stand there.
func readAsBool(tree *ast.AST) {
	next := ast.MaxID(tree)
	factory := ast.NewExprFactory()
	wrap := func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			if e.AsSelect().IsTestOnly() {
				return
			}
		case ast.CallKind:
			if e.AsCall().FunctionName() != operators.Index {
				return
			}
		default:
			return
		}
		inner := factory.CopyExpr(e)
		e.SetKindCase(factory.NewCall(e.ID(), truthy, inner))
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
		case ast.CallKind:
			c := e.AsCall()
			switch c.FunctionName() {
			case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
				for _, arg := range c.Args() {
					wrap(arg)
				}
			case operators.Conditional:
				wrap(c.Args()[0])
			}
		}
	}))
	wrap(tree.Expr())
}
