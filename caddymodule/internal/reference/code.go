package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// code is what the doc comments of one package say.
type code struct {
	dir     string
	doc     string // of the package
	structs map[string]*structure
	funcs   map[string]*ast.FuncDecl // by name, or by type.name
	files   map[string]*ast.File     // by path
}

// structure is a struct type of a configuration.
type structure struct {
	doc    string
	fields []field
}

type field struct {
	name, doc string
	tag       string // the name in JSON; empty for what is embedded
	typ       string
	embedded  bool
}

// load reads the files of a package that are no tests.
func load(root, dir string) (*code, error) {
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return nil, err
	}
	c := &code{dir: dir, structs: make(map[string]*structure), funcs: make(map[string]*ast.FuncDecl), files: make(map[string]*ast.File)}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		c.files[dir+"/"+filepath.Base(name)] = f
		if text := f.Doc.Text(); len(text) > len(c.doc) {
			c.doc = text
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				c.funcs[receiver(d)+d.Name.Name] = d
			case *ast.GenDecl:
				c.types(set, d)
			}
		}
	}
	if len(c.files) == 0 {
		return nil, fmt.Errorf("there is no package in %s", dir)
	}
	return c, nil
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	return strings.TrimPrefix(typeName(d.Recv.List[0].Type), "*") + "."
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + typeName(e.Elt)
	case *ast.MapType:
		return "map"
	}
	return "?"
}

func (c *code) types(set *token.FileSet, d *ast.GenDecl) {
	for _, s := range d.Specs {
		t, ok := s.(*ast.TypeSpec)
		if !ok {
			continue
		}
		st, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		doc := t.Doc
		if doc == nil {
			doc = d.Doc
		}
		one := &structure{doc: doc.Text()}
		last, end := "", 0
		for _, f := range st.Fields.List {
			text := f.Doc.Text()
			if text == "" && set.Position(f.Pos()).Line == end+1 {
				text = last // a field right below another shares its comment
			}
			last, end = text, set.Position(f.End()).Line
			if len(f.Names) == 0 {
				one.fields = append(one.fields, field{name: typeName(f.Type), embedded: true, typ: typeName(f.Type)})
				continue
			}
			tag := ""
			if f.Tag != nil {
				raw, _ := strconv.Unquote(f.Tag.Value)
				tag, _, _ = strings.Cut(reflect.StructTag(raw).Get("json"), ",")
			}
			for _, n := range f.Names {
				if n.IsExported() && tag != "-" {
					one.fields = append(one.fields, field{name: n.Name, doc: text, tag: tag, typ: typeName(f.Type)})
				}
			}
		}
		c.structs[t.Name.Name] = one
	}
}

// line is a line of a Syntax block, with those in its braces.
type line struct {
	name, text string
	inner      []*line
}

// syntax reads the blocks of a doc comment, which are its indented lines.
func (c *code) syntax(function string) ([]*line, error) {
	d := c.funcs[function]
	if d == nil {
		return nil, fmt.Errorf("there is no function %s in %s", function, c.dir)
	}
	var top []*line
	var open []*line
	for text := range strings.Lines(d.Doc.Text()) {
		if !strings.HasPrefix(text, "\t") && !strings.HasPrefix(text, "    ") {
			continue
		}
		text = strings.TrimSpace(text)
		switch {
		case text == "":
			continue
		case strings.HasPrefix(text, "}"):
			if len(open) == 0 {
				return nil, fmt.Errorf("%s %s: more braces are closed than opened", c.dir, function)
			}
			open = open[:len(open)-1]
			continue
		}
		l := &line{text: strings.Join(strings.Fields(text), " ")}
		l.name, _, _ = strings.Cut(l.text, " ")
		if n := len(open); n > 0 {
			open[n-1].inner = append(open[n-1].inner, l)
		} else {
			top = append(top, l)
		}
		if head, ok := strings.CutSuffix(l.text, "{"); ok {
			if head, ok = strings.CutSuffix(head, "["); ok {
				l.text = head + "[{ … }]"
			} else {
				l.text = head + "{ … }"
			}
			open = append(open, l)
		}
	}
	if len(open) > 0 || len(top) == 0 {
		return nil, fmt.Errorf("%s %s has no Syntax block that can be read", c.dir, function)
	}
	return top, nil
}

// texts are the constant strings in a function for which use holds.
func (c *code) texts(function string, use func(ast.Node) []ast.Expr) []string {
	var all []string
	ast.Inspect(c.funcs[function], func(n ast.Node) bool {
		for _, e := range use(n) {
			if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil && !slices.Contains(all, s) {
					all = append(all, s)
				}
			}
		}
		return true
	})
	return all
}
