package template

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is what is wrong with a template or with rendering it, and where. Its text holds no value and, of the
// template, nothing but names of variables and filters, because constants of a template may be secrets.
type Error struct {
	// Name is that of Options, such as a file name.
	Name string
	// Line and Column count from 1, the column in characters; 0 when the error is about no place in particular.
	Line, Column int
	// Variable is the variable it is about, if any.
	Variable string
	// Reason says what is wrong and what to do about it.
	Reason string
	// Err is the kind of the error: ErrSyntax, ErrMissing, ErrType, ErrUnsafe or ErrTooLarge.
	Err error
}

// Error is "name:line:column: {{variable}}: reason".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Name != "" {
		b.WriteString(e.Name)
		b.WriteByte(':')
	}
	if e.Line > 0 {
		if e.Name == "" {
			b.WriteString("line ")
		}
		b.WriteString(strconv.Itoa(e.Line))
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(e.Column))
		b.WriteByte(':')
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if e.Variable != "" {
		b.WriteString("{{")
		b.WriteString(e.Variable)
		b.WriteString("}}: ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap is the kind of the error.
func (e *Error) Unwrap() error { return e.Err }

// compiler holds what the compilers for the contexts share.
type compiler struct {
	src       string
	o         Options
	variables []string
	// repeats: the filter each has something to repeat.
	repeats bool
	// declares: an XML declaration may say what charset the template is in.
	declares bool
}

// position is the line and column of a byte of the source, in the file that the source is part of.
func (c *compiler) position(offset int) (line, column int) {
	before := c.src[:min(offset, len(c.src))]
	line, column = max(c.o.Line, 1), max(c.o.Column, 1)
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		line += strings.Count(before, "\n")
		column = 1
		before = before[i+1:]
	}
	return line, column + utf8.RuneCountInString(before)
}

// fail makes the error of a kind at a byte of the source.
func (c *compiler) fail(offset int, kind error, reason string) *Error {
	line, column := c.position(offset)
	return &Error{Name: c.o.Name, Line: line, Column: column, Reason: reason, Err: kind}
}

// syntax is fail with ErrSyntax.
func (c *compiler) syntax(offset int, reason string) *Error { return c.fail(offset, ErrSyntax, reason) }
