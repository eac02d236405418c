package template

import (
	"testing"

	"github.com/callgate/callgate/internal/charset"
)

func TestCharsets(t *testing.T) {
	in := func(c *charset.Charset) Options { return Options{Charset: c} }
	check(t, XML, map[string]row{
		"declared":        {source: "<?xml version='1.0' encoding='ISO-8859-1'?><a b='é'>{{snow}}</a>", want: "<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe9'>&#x2603; \xe9 &#x65E5;&#x672C; &#x1F389;</a>"},
		"both":            {source: "<?xml version='1.0' encoding='latin1'?><a>{{snow|truncate:3}}</a>", o: in(charset.Latin1), want: "<?xml version='1.0' encoding='latin1'?><a>&#x2603; \xe9</a>"},
		"without":         {source: "<a k='{{snow|truncate:3}}'>ü</a>", o: in(charset.Latin1), want: `<?xml version="1.0" encoding="ISO-8859-1"?><a k='&#x2603; ` + "\xe9'>\xfc</a>"},
		"ASCII":           {source: "<a>ü</a>", o: in(charset.ASCII), want: "<a>&#xFC;</a>"},
		"UTF-8":           {source: "<?xml version='1.0' encoding='UTF-8'?><ä>ü</ä>", o: in(charset.UTF8), want: "<?xml version='1.0' encoding='UTF-8'?><ä>ü</ä>"},
		"name":            {source: "<ä>{{name}}</ä>", o: in(charset.Latin1), want: `<?xml version="1.0" encoding="ISO-8859-1"?>` + "<\xe4>Mike</\xe4>"},
		"name without":    {source: "<日>{{name}}</日>", o: in(charset.Latin1), want: "!the name of an element or attribute has a character that ISO-8859-1 does not have"},
		"not the same":    {source: "<?xml version='1.0' encoding='UTF-8'?><a/>", o: in(charset.Latin1), want: "!declares UTF-8, and Content-Type names ISO-8859-1"},
		"nor that":        {source: "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", o: in(charset.UTF8), want: "!declares ISO-8859-1, and Content-Type names UTF-8"},
		"no encoding":     {source: "<?xml version='1.0'?><a/>", o: in(charset.Latin1), want: `!write encoding="ISO-8859-1"`},
		"nested brackets": {source: "<a><![CDATA[{{cdata}}é€]]></a>", o: in(charset.ASCII), want: "<a>]]&gt;&#xE9;&#x20AC;</a>"},
	})
	check(t, JSON, map[string]row{
		"escapes": {source: `{"é":"{{snow}}"}`, o: in(charset.Latin1), want: "{\"\xe9\":\"\\u2603 \xe9 \\u65e5\\u672c \\ud83c\\udf89\"}"},
	})
	check(t, Form, map[string]row{
		"values":        {source: "a=é&b={{snow}}&c={{amp}}", o: in(charset.Latin1), want: "a=%E9&b=%3F+%E9+%3F%3F+%3F&c=a%26b%3Dc"},
		"lists":         {source: "a[]={{umlauts}}", o: in(charset.Windows1252), want: "a[]=%FC&a[]=5+%80"},
		"encoded":       {source: "a=%FC", o: in(charset.Latin1), want: "a=%FC"},
		"not in it":     {source: "a=1&b=日", o: in(charset.Latin1), want: "!1:5: the text of the form has a character that ISO-8859-1 does not have"},
		"not UTF-8":     {source: "a={{bad}}", o: in(charset.Latin1), want: "a=a%3Fb"},
		"UTF-8 as ever": {source: "a={{snow}}", want: "a=%E2%98%83+%C3%A9+%E6%97%A5%E6%9C%AC+%F0%9F%8E%89"},
	})
	check(t, Text, map[string]row{"plain": {source: "“ü” {{snow}}", o: in(charset.Latin1), want: "\"\xfc\" ? \xe9 ?? ?"}})
	// Addresses and headers are in UTF-8 whatever the body is in.
	check(t, URL, map[string]row{"query": {source: "https://x.example/?a={{umlaut}}", o: in(charset.Latin1), want: "https://x.example/?a=%C3%BC"}})
	check(t, Header, map[string]row{"header": {source: "{{umlaut}}", o: in(charset.Latin1), want: "ü"}})
}

// TestLost counts what a charset does not have where nothing can stand for it.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		context Context
		source  string
		lost    int
	}{{Text, "{{snow}}", 4}, {Form, "a={{snow}}&b={{snow}}", 8}, {Form, "a={{umlaut}}", 0}, {XML, "<a>{{snow}}</a>", 0}, {JSON, `["{{snow}}"]`, 0}} {
		tpl, err := Compile(c.source, c.context, Options{Charset: charset.Latin1})
		if err != nil {
			t.Fatal(err)
		}
		if _, lost, err := tpl.Render(nil, values); err != nil || lost != c.lost {
			t.Errorf("%s: %d lost, want %d, %v", c.source, lost, c.lost, err)
		}
	}
}
