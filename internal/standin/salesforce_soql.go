package standin

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// salesforceQuery runs the part of SOQL that looks records up:
//
//	SELECT a, b FROM Object [WHERE c [AND c…]] [ORDER BY CreatedDate [ASC|DESC]] [LIMIT n]
//	c = field (=|!=|>=|<=) literal or LAST_N_DAYS:n | field IN (literal, …) | ( c OR c … )
//
// Texts compare without regard to case, as they do in Salesforce.
type salesforceQuery struct {
	tokens []string // string literals keep their opening quote, and are unescaped
	fields map[string]SalesforceField
	object string
	now    time.Time
	err    []salesforceError
}

func (q *salesforceQuery) fail(code, message string) {
	if q.err == nil {
		q.err = salesforceErr(code, message)
	}
}

// query answers a query with its records, or with errors.
func (s *Salesforce) query(soql string) ([]map[string]any, []salesforceError) {
	q := &salesforceQuery{now: s.cfg.Now()}
	q.scan(soql)
	q.word("SELECT")
	cols := q.list("FROM")
	q.object = q.next()
	fields, ok := s.schema[q.object]
	if q.err == nil && !ok {
		return nil, salesforceErr("INVALID_TYPE", "sObject type '"+q.object+"' is not supported.")
	}
	q.fields = fields
	for _, c := range cols {
		q.column(c)
	}
	match := func(*SalesforceRecord) bool { return true }
	if q.take("WHERE") {
		match = q.all()
	}
	descending := false
	if q.take("ORDER") {
		q.word("BY")
		q.word("CreatedDate")
		descending = q.take("DESC")
		q.take("ASC")
	}
	limit := 2000
	if q.take("LIMIT") {
		n, err := strconv.Atoi(q.next())
		if err != nil || n < 0 {
			q.fail("MALFORMED_QUERY", "LIMIT wants a number")
		}
		limit = n
	}
	if len(q.tokens) > 0 {
		q.fail("MALFORMED_QUERY", "unexpected token: "+q.tokens[0])
	}
	if q.err != nil {
		return nil, q.err
	}
	var hits []*SalesforceRecord
	for _, r := range s.records[q.object] {
		if !r.Deleted && match(r) {
			hits = append(hits, r)
		}
	}
	sort.SliceStable(hits, func(i, j int) bool {
		if descending {
			return hits[i].Created.After(hits[j].Created)
		}
		return hits[i].Created.Before(hits[j].Created)
	})
	out := make([]map[string]any, 0, len(hits))
	for _, r := range hits[:min(len(hits), limit)] {
		row := map[string]any{"attributes": map[string]string{"type": q.object, "url": "/sobjects/" + q.object + "/" + r.ID}}
		for _, c := range cols {
			row[c] = r.get(c)
		}
		out = append(out, row)
	}
	return out, nil
}

// scan cuts a query into tokens.
func (q *salesforceQuery) scan(soql string) {
	for i := 0; i < len(soql) && q.err == nil; {
		switch c := soql[i]; {
		case c == ' ' || c == '\n' || c == '\t':
			i++
		case c == '\'':
			var b strings.Builder
			b.WriteByte('\'')
			i++
			closed := false
			for i < len(soql) && !closed {
				switch c := soql[i]; {
				case c == '\'':
					closed = true
				case c == '\\':
					i++
					i += q.escape(&b, soql[min(i, len(soql)):])
					continue
				case c < 0x20:
					q.fail("MALFORMED_QUERY", "line break in a string")
				default:
					b.WriteByte(c)
				}
				i++
			}
			if !closed {
				q.fail("MALFORMED_QUERY", "expecting a closing quote")
			}
			q.tokens = append(q.tokens, b.String())
		case strings.IndexByte("(),", c) >= 0:
			q.tokens = append(q.tokens, string(c))
			i++
		case strings.IndexByte("=!<>", c) >= 0:
			j := i
			for j < len(soql) && strings.IndexByte("=!<>", soql[j]) >= 0 {
				j++
			}
			q.tokens = append(q.tokens, soql[i:j])
			i = j
		default:
			j := i
			for j < len(soql) && strings.IndexByte(" \n\t'(),=!<>", soql[j]) < 0 {
				j++
			}
			q.tokens = append(q.tokens, soql[i:j])
			i = j
		}
	}
}

// escape reads what follows a backslash and returns its length.
func (q *salesforceQuery) escape(b *strings.Builder, rest string) int {
	if rest == "" {
		q.fail("MALFORMED_QUERY", "a backslash at the end")
		return 1
	}
	if plain, ok := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f', '"': '"', '\'': '\'', '\\': '\\'}[rest[0]]; ok {
		b.WriteByte(plain)
		return 1
	}
	if rest[0] == 'u' && len(rest) >= 5 {
		if n, err := strconv.ParseUint(rest[1:5], 16, 16); err == nil {
			b.WriteRune(rune(n))
			return 5
		}
	}
	q.fail("MALFORMED_QUERY", "Invalid string literal. Illegal character sequence '\\"+rest[:1]+"' in string literal")
	return 1
}

func (q *salesforceQuery) next() string {
	if len(q.tokens) == 0 {
		q.fail("MALFORMED_QUERY", "unexpected token: <EOF>")
		return ""
	}
	t := q.tokens[0]
	q.tokens = q.tokens[1:]
	return t
}

func (q *salesforceQuery) take(word string) bool {
	if len(q.tokens) > 0 && strings.EqualFold(q.tokens[0], word) {
		q.tokens = q.tokens[1:]
		return true
	}
	return false
}

func (q *salesforceQuery) word(word string) {
	if !q.take(word) {
		q.fail("MALFORMED_QUERY", "expecting "+word)
	}
}

// list reads "a, b end".
func (q *salesforceQuery) list(end string) (out []string) {
	for q.err == nil {
		out = append(out, q.next())
		if q.take(end) {
			return out
		}
		q.word(",")
	}
	return out
}

func (q *salesforceQuery) column(name string) SalesforceField {
	f, ok := q.fields[name]
	if !ok && q.err == nil {
		q.fail("INVALID_FIELD", fmt.Sprintf("\nSELECT %s FROM %s\n       ^\nERROR at Row:1:Column:8\nNo such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name.", name, q.object, name, q.object))
	}
	return f
}

type salesforceCondition = func(*SalesforceRecord) bool

func (q *salesforceQuery) all() salesforceCondition {
	terms := []salesforceCondition{q.term()}
	for q.take("AND") {
		terms = append(terms, q.term())
	}
	return func(r *SalesforceRecord) bool {
		return !slices.ContainsFunc(terms, func(t salesforceCondition) bool { return !t(r) })
	}
}

func (q *salesforceQuery) term() salesforceCondition {
	if !q.take("(") {
		return q.comparison()
	}
	terms := []salesforceCondition{q.term()}
	for q.take("OR") {
		terms = append(terms, q.term())
	}
	q.word(")")
	return func(r *SalesforceRecord) bool {
		return slices.ContainsFunc(terms, func(t salesforceCondition) bool { return t(r) })
	}
}

func (q *salesforceQuery) comparison() salesforceCondition {
	name := q.next()
	f := q.column(name)
	if f.Length > 4000 {
		q.fail("INVALID_FIELD", "field '"+name+"' can not be filtered in a query call")
	}
	op := strings.ToUpper(q.next())
	var values []string
	if op == "IN" {
		q.word("(")
		for _, v := range q.list(")") {
			values = append(values, q.literal(name, f, v))
		}
	} else {
		values = []string{q.literal(name, f, q.next())}
	}
	return func(r *SalesforceRecord) bool {
		have := ""
		if v := r.get(name); v != nil {
			have = fmt.Sprint(v)
		}
		switch op {
		case "=", "IN":
			return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, have) })
		case "!=":
			return !strings.EqualFold(values[0], have)
		case ">=":
			return have >= values[0]
		case "<=":
			return have <= values[0]
		default:
			q.fail("MALFORMED_QUERY", "unexpected token: "+op)
			return false
		}
	}
}

// literal checks that a literal suits its field, and returns its value.
func (q *salesforceQuery) literal(name string, f SalesforceField, token string) string {
	text, quoted := strings.CutPrefix(token, "'")
	switch f.Type {
	case "boolean":
		if token != "true" && token != "false" {
			q.fail("INVALID_FIELD", "value of filter criterion for field '"+name+"' must be of type boolean and should not be enclosed in quotes")
		}
	case "datetime":
		if n, ok := strings.CutPrefix(token, "LAST_N_DAYS:"); ok {
			days, err := strconv.Atoi(n)
			if err != nil || days < 1 {
				q.fail("MALFORMED_QUERY", "unexpected token: "+token)
			}
			y, m, d := q.now.UTC().Date()
			return salesforceTime(time.Date(y, m, d-days, 0, 0, 0, 0, time.UTC))
		}
		at, err := time.Parse(time.RFC3339, token)
		if err != nil {
			q.fail("INVALID_FIELD", "value of filter criterion for field '"+name+"' must be of type dateTime and should not be enclosed in quotes")
		}
		return salesforceTime(at)
	default:
		if !quoted {
			q.fail("INVALID_FIELD", "value of filter criterion for field '"+name+"' must be of type string and should be enclosed in quotes")
		}
	}
	return text
}

func salesforceTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000+0000") }
