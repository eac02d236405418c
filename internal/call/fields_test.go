package call

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// The list of the fields is that of the names which Lookup tells apart.
func TestFieldsAreThoseThatLookupKnows(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "lookup.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "Lookup" && f.Name.Name != "text" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CaseClause); ok {
				for _, e := range c.List {
					name, err := strconv.Unquote(e.(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					names = append(names, name)
				}
			}
			return true
		})
	}
	slices.Sort(names)
	if !slices.Equal(names, Fields()) {
		t.Errorf("Lookup knows %v\nand the list has %v", names, Fields())
	}
	if !IsField("phone") || IsField("fone") || !IsText("phone") || IsText("urgent") || IsText("fone") {
		t.Error("a field is none, or none is one")
	}
}
