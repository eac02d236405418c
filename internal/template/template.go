// Package template renders {{name}} templates: the URL, headers and body of a request, filled from a call.
//
// A template is compiled once for the place it stands in (JSON, XML, a form, a URL, a header, plain text), and every
// value is escaped for that place, so that a caller who spells a quote, an angle bracket or a line break changes one
// value and never the request around it. Values are inserted once: {{…}} inside a value is text.
//
// # Syntax
//
//	{{name}}  {{ name }}  {{name|filter}}  {{name|filter:argument|filter}}  {{'constant text'}}  {{name|other}}
//
// {{message|summary}} is the first of several variables that is there. What stands after a variable may be a field of the
// call's record, params.x, vars.x or steps.x.y, so that a misspelt filter is not taken for a variable; the first name is any. Filters
// follow all of them.
//
// A name is a variable of Vars; letters, digits, "_", "-", "." and single spaces may stand in it. Arguments are bare
// up to the next "|", or quoted with ' or " where they hold a "|", braces or leading spaces. The filters:
//
//	default:x          x when the variable is missing; an empty x ('') is allowed, and counts as there
//	upper lower trim   capitals, small letters, without spaces around
//	truncate:N         the first N characters, without a mark
//	date:F             a time in the format F, and in the time zone Z with date:'F','Z' (Options.Zone, which is UTC by
//	                   default, when none is given).
//	                   F is a strftime format ("%Y-%m-%d %H:%M") or one of rfc3339, date, time, unix, unix_ms
//	e164               a phone number in E.164 (+15559876543)
//	national           a phone number as its country writes it ((555) 987-6543)
//	digits             the digits alone
//	join:sep           the elements of a list, with sep between them (", " without this filter)
//	each               the pair of a form or query, or the element of XML, that it stands in once for each element of a
//	                   list. Filters behind it change the elements
//	map:'a','x',…      x for the value a, and so on by pairs; capitals make no difference. A last text without a partner is
//	                   for all other values, which stay as they are without it. Of a list, each element
//	json               the value as JSON text. As the only content of a JSON string it takes the place of the string
//	urlencode          percent-encoded; does nothing in a URL or form, where values are encoded already
//	number integer     in a JSON template, as the last filter of a value that is exactly one variable:
//	boolean            the type of the value, as Options.Types declares it for a parameter
//
// A filter whose value is not what it expects (a date that is no date, a number that is no phone number) leaves the
// value as it is: data is not lost for its form.
//
// # Places
//
// JSON: the template is JSON, in which // and /* */ comments and variables without quotes are understood besides.
// The result is compact, its strings escaped as JSON.stringify does, and numbers and key order are kept. Variables
// stand in strings and in place of values, not in keys: a caller could replace another member. A string that is
// exactly one variable becomes a value of the declared type: 42 for "{{duration}}" declared as an integer, a list or
// object for those. A value that cannot be read as its type is sent as the string it is (with Strict it is an error).
// Without a declared type it is a string. A variable without quotes keeps the type that the value has.
//
// XML: variables stand in text, in CDATA sections (which become escaped text) and in attribute values. Characters
// that XML 1.0 does not allow become U+FFFD. A DOCTYPE is refused. With the filter each, an element without children is
// written once for each element of a list.
//
// Form: application/x-www-form-urlencoded pairs, a=1&b={{x}}. White space around pairs is dropped, so that there can
// be one on each line; the constant text may be encoded already or not. NUL is dropped. A pair whose name ends in [] and
// whose value is exactly one variable is written once for each element of a list, as with the filter each.
//
// URL: an absolute http or https URL. Scheme and authority are constant. A variable in the path is one segment or a
// part of one: it is percent-encoded, slashes included; it must not be missing, whatever the Policy, because
// /contacts/ is another resource than /contacts/1; and it must not make a "." or ".." segment or hold control
// characters. In the query, a variable is a part of one name or value.
//
// Header: runs of control characters (CR and LF above all) in a value become one space, and spaces around the result
// are dropped.
//
// Text: values are inserted as they are.
package template

import (
	"errors"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/charset"
)

// Context is the place that a template stands in.
type Context uint8

// The contexts; the package comment describes each.
const (
	Text Context = iota
	JSON
	XML
	Form
	URL
	Header
)

// Policy says what becomes of a variable that is missing.
type Policy uint8

const (
	// Empty puts the empty string in its place; null for a JSON value of a declared type other than string and for
	// a JSON variable without quotes.
	Empty Policy = iota
	// OmitEmpty leaves out what would be filled by missing variables alone. In JSON: a member whose variables are
	// all missing; an object or array that has lost all its members; an array's object of which all variables are
	// missing, constants and all, because {"property":"company"} without its value says nothing. In XML: an element
	// that holds nothing but text, if all its variables are missing. In a form or query: the pair. A string of which
	// some variables are there stays, the others being empty.
	OmitEmpty
	// Strict makes Append fail with ErrMissing.
	Strict
)

// Type is the declared type of a parameter, by its JSON Schema name. The empty Type is String.
type Type string

// The types.
const (
	String  Type = "string"
	Number  Type = "number"
	Integer Type = "integer"
	Boolean Type = "boolean"
	Array   Type = "array"
	Object  Type = "object"
)

// Types lists the types there are.
var Types = []Type{String, Number, Integer, Boolean, Array, Object}

// Vars gives variables their values: a string, bool, int, int64, float64, json.Number, []any, map[string]any or
// time.Time. ok is false for a missing one; nil and the empty string count as missing too. *call.Call is a Vars,
// and *Scope adds the tenant's variables.
type Vars interface {
	Lookup(name string) (value any, ok bool)
}

// Options say how a template is compiled. The zero Options are good defaults.
type Options struct {
	// Name stands before the position in errors: a file or field name such as "dispatch.json".
	Name string
	// Line and Column are where the source begins in that file, counted from 1. 0 means 1.
	Line, Column int
	// Types are the declared types of variables by name.
	Types map[string]Type
	// Policy is for missing variables.
	Policy Policy
	// Region is the ISO 3166 code in which national phone numbers are read; empty means call.DefaultRegion.
	Region string
	// Zone is the time zone of the filter date where it names none; nil means UTC.
	Zone *time.Location
	// List stands between the elements of a list within text that no filter joins; empty means ", ".
	List string
	// Charset is the one that the result is written in; nil means UTF-8, or what an XML template declares. What it does not
	// have is written as a reference in XML, as an escape in JSON, and elsewhere as people write it without (see
	// charset.AppendPlain). It is for bodies: a URL and a header are in UTF-8.
	Charset *charset.Charset
	// MayRepeat allows the filter each in a text, for Each; Repeats has a template that is exactly one variable, which no
	// filter joins, written for each element of a list without that filter.
	MayRepeat, Repeats bool
	// MaxSource bounds the template in bytes; 0 means DefaultMaxSource.
	MaxSource int
	// MaxOutput bounds what one Append adds, in bytes; 0 means DefaultMaxOutput.
	MaxOutput int
}

// The bounds that hold when Options name none.
const (
	DefaultMaxSource = 256 << 10
	DefaultMaxOutput = 16 << 20
)

// maxVariables bounds the variables in one template, and maxDepth how deep JSON may nest in one.
const (
	maxVariables = 2000
	maxDepth     = 128
)

// The kinds of errors, for errors.Is. What Compile and Append return is an *Error that wraps one of them.
var (
	// ErrSyntax: the template cannot be compiled.
	ErrSyntax = errors.New("template syntax")
	// ErrMissing: a variable that must be there is not.
	ErrMissing = errors.New("variable is missing")
	// ErrType: with Strict, a value is not of the declared type.
	ErrType = errors.New("value is not of the declared type")
	// ErrUnsafe: a value would lead to another resource of the URL.
	ErrUnsafe = errors.New("value is not allowed in a URL path")
	// ErrTooLarge: the template or its result is larger than the bound.
	ErrTooLarge = errors.New("too large")
)

// Template is a compiled template. It is safe for concurrent use.
type Template struct {
	root      node
	context   Context
	name      string
	policy    Policy
	region    string
	list      string
	charset   *charset.Charset
	maxOutput int
	variables []string
}

// Compile compiles a template for its context. Variables need not be declared, because the parameters of a call are
// open: Variables lists them for those who know better. The error is an *Error with the position in the source.
func Compile(source string, context Context, o Options) (*Template, error) {
	c := &compiler{src: source, o: o, repeats: context == XML || context == Form || context == URL || context == Text && (o.MayRepeat || o.Repeats)}
	if o.MaxSource <= 0 {
		c.o.MaxSource = DefaultMaxSource
	}
	if o.MaxOutput <= 0 {
		c.o.MaxOutput = DefaultMaxOutput
	}
	if len(source) > c.o.MaxSource {
		return nil, c.fail(0, ErrTooLarge, "the template is larger than the bound; shorten it or raise the bound")
	}
	var err error
	t := &Template{context: context, name: o.Name, policy: o.Policy, region: o.Region, list: o.List, maxOutput: c.o.MaxOutput}
	if context == URL || context == Header || o.Charset == nil {
		c.o.Charset = charset.UTF8
	}
	c.declares = o.Charset == nil
	switch context {
	case JSON:
		t.root, err = c.json()
	case XML:
		t.root, err = c.xml()
	case Form:
		t.root, err = c.form()
	case URL:
		t.root, err = c.url()
	case Header:
		t.root, err = c.header()
	default:
		t.root, err = c.text()
	}
	if err != nil {
		return nil, err
	}
	t.charset = c.o.Charset
	t.variables = slices.Compact(slices.Sorted(slices.Values(c.variables)))
	return t, nil
}

// Variables lists the names of the variables in the template, sorted, each once.
func (t *Template) Variables() []string { return t.variables }

// Constant is the result of a template that has no variables; ok is false of one that has some, or no result.
func (t *Template) Constant() (text string, ok bool) {
	if len(t.variables) > 0 {
		return "", false
	}
	out, err := t.Append(nil, new(Scope))
	return string(out), err == nil
}

// Charset is the one that the result is written in.
func (t *Template) Charset() *charset.Charset { return t.charset }

// Append renders the template to the end of dst. On error, which is an *Error naming the variable, dst is returned
// as it was.
func (t *Template) Append(dst []byte, v Vars) ([]byte, error) {
	out, _, err := t.Render(dst, v)
	return out, err
}

// Render is Append that tells how many characters were lost because the charset does not have them.
func (t *Template) Render(dst []byte, v Vars) (_ []byte, lost int, err error) {
	r := renderer{t: t, v: v, limit: len(dst) + t.maxOutput}
	out, _, err := r.node(dst, &t.root)
	if err != nil {
		return dst, 0, err
	}
	if len(out) > r.limit {
		return dst, 0, r.fail(nil, ErrTooLarge, "the result is larger than the bound; truncate the long values or raise the bound")
	}
	if t.context == Header {
		out = trimSpaces(out, len(dst))
	}
	out = r.written(out, len(dst))
	return out, r.lost, nil
}
