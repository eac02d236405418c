package audit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// TestKindsAreAllThereAre: every constant of the type stands in the list.
func TestKindsAreAllThereAre(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "leaf.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []Kind
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "Kind" {
				text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, Kind(text))
			}
		}
		return true
	})
	listed := Kinds()
	slices.Sort(all)
	slices.Sort(listed)
	if len(all) < 20 || !slices.Equal(all, listed) {
		t.Errorf("the constants are %q, and listed are %q", all, listed)
	}
}
