package template

import "testing"

func TestListsRepeatPairs(t *testing.T) {
	omit, strict := Options{Policy: OmitEmpty}, Options{Policy: Strict}
	check(t, Form, map[string]row{
		"by its name":         {source: "a=1&s[]={{list}}&b=2", want: "a=1&s[]=a&s[]=1&s[]=true&b=2"},
		"encoded name":        {source: "s%5b%5D={{list}}", want: "s%5b%5D=a&s%5b%5D=1&s%5b%5D=true"},
		"by each":             {source: "s={{list|each}}&b=2", want: "s=a&s=1&s=true&b=2"},
		"without":             {source: "s={{list}}", want: "s=a%2C+1%2C+true"},
		"joined all the same": {source: "s[]={{list|join:'; '}}&t[]={{list|json}}", want: "s[]=a%3B+1%3B+true&t[]=%5B%22a%22%2C1%2Ctrue%2Cnull%5D"},
		"filters":             {source: "s={{list|map:'a','x','1',''|each|upper}}", want: "s=X&s=TRUE"},
		"filters by the name": {source: "s[]={{list|upper}}", want: "s[]=A&s[]=1&s[]=TRUE"},
		"with constants":      {source: "s=<{{list|each}}> {{name}}", want: "s=%3Ca%3E+Mike&s=%3C1%3E+Mike&s=%3Ctrue%3E+Mike"},
		"no list":             {source: "s[]={{name}}&t={{email|each}}", want: "s[]=Mike&t=a%2Bb+c%40x.example"},
		"lists of lists":      {source: "s[]={{nested}}", want: "s[]=x"},
		"missing":             {source: "s[]={{gone}}&t={{gone|each}}", want: "s[]=&t="},
		"missing, omitted":    {source: "s[]={{gone}}&a=1&t={{gone|each}}", o: omit, want: "a=1"},
		"missing, strict":     {source: "s[]={{gone}}", o: strict, want: "!{{gone}}: the variable is missing"},
		"nothing in it":       {source: "a=1&s[]={{hollow}}&b=2", want: "a=1&b=2"},
		"nothing, strict":     {source: "s[]={{hollow}}&b=2", o: strict, want: "b=2"},
		"nulls":               {source: "s={{list|each|default:'x'}}", want: "s=a&s=1&s=true&s=x"},
		"default":             {source: "s={{gone|each|default:'x'}}", want: "s=x"},
		"hostile":             {source: "s[]={{evil}}", want: "s[]=a%26b%3D1&s[]=%0D%0A"},
		"twice":               {source: "s={{list|each|each}}", want: "!each stands twice behind a variable"},
		"two in a pair":       {source: "s={{list|each}}{{nested|each}}", want: "!1:16: {{nested}}: each stands behind two variables"},
	})
	check(t, URL, map[string]row{
		"query":   {source: "https://x.example/?a={{name}}&s[]={{list}}&t={{list|each}}", want: "https://x.example/?a=Mike&s[]=a&s[]=1&s[]=true&t=a&t=1&t=true"},
		"omitted": {source: "https://x.example/?s[]={{gone}}", o: omit, want: "https://x.example/"},
		"empty":   {source: "https://x.example/?s[]={{hollow}}", want: "https://x.example/"},
		"path":    {source: "https://x.example/{{list|each}}", want: "!each in the path of the URL"},
	})
	for _, context := range []Context{Text, Header, JSON} {
		check(t, context, map[string]row{"nothing to repeat": {source: `"{{list|each}}"`, want: "!{{list}}: each repeats a pair of a form or an element of XML"}})
	}
}

func TestListsRepeatElements(t *testing.T) {
	omit := Options{Policy: OmitEmpty}
	check(t, XML, map[string]row{
		"element":             {source: "<a><s>{{list|each}}</s><b>{{list}}</b></a>", want: "<a><s>a</s><s>1</s><s>true</s><b>a, 1, true</b></a>"},
		"white space outside": {source: "<a>\n <s k=\"{{name}}\">no. {{list|each|upper}}</s>\n</a>", want: "<a>\n <s k=\"Mike\">no. A</s><s k=\"Mike\">no. 1</s><s k=\"Mike\">no. TRUE</s>\n</a>"},
		"empty element":       {source: "<a><!-- x --><s k='{{list|each}}'/><!-- y --></a>", want: "<a><!-- x --><s k='a'/><s k='1'/><s k='true'/><!-- y --></a>"},
		"attribute":           {source: "<a><s k='{{list|each}}'></s><t k='{{list|each}}'>x</t></a>", want: "<a><s k='a'></s><s k='1'></s><s k='true'></s><t k='a'>x</t><t k='1'>x</t><t k='true'>x</t></a>"},
		"CDATA":               {source: "<a><s><![CDATA[{{list|each}}]]></s></a>", want: "<a><s>a</s><s>1</s><s>true</s></a>"},
		"no list":             {source: "<a><s>{{name|each}}</s></a>", want: "<a><s>Mike</s></a>"},
		"missing":             {source: "<a><s>{{gone|each}}</s></a>", want: "<a><s></s></a>"},
		"missing, omitted":    {source: "<a><s>{{gone|each}}</s><t k='{{gone|each}}'/></a>", o: omit, want: "<a></a>"},
		"nothing in it":       {source: "<a><s>{{hollow|each}}</s></a>", want: "<a></a>"},
		"hostile":             {source: "<a><s>{{markup|each}}</s></a>", want: "<a><s>&lt;/s&gt;</s><s>]]&gt;</s></a>"},
		"in the root":         {source: "<s>{{list|each}}</s>", want: "!1:4: {{list}}: each in the root element"},
		"empty root":          {source: "<s k='{{list|each}}'/>", want: "!each in the root element"},
		"beside elements":     {source: "<a>{{list|each}}<b/></a>", want: "!1:4: {{list}}: each beside other elements"},
		"around elements":     {source: "<a><b k='{{list|each}}'><c/></b></a>", want: "!each beside other elements"},
		"two":                 {source: "<a><b k='{{list|each}}'>{{nested|each}}</b></a>", want: "!each stands behind two variables"},
	})
}

func TestListsRepeatTexts(t *testing.T) {
	for _, c := range []struct {
		source string
		o      Options
		want   []string
	}{
		{"{{list}}", Options{Repeats: true}, []string{"a", "1", "true"}},
		{"{{list|each|upper}}!", Options{MayRepeat: true}, []string{"A!", "1!", "TRUE!"}},
		{"{{list}}", Options{MayRepeat: true}, []string{"a, 1, true"}},
		{"x {{list}}", Options{Repeats: true}, []string{"x a, 1, true"}},
		{"{{hollow}}", Options{Repeats: true}, nil},
		{"{{gone}}", Options{Repeats: true}, []string{""}},
		{"", Options{Repeats: true}, []string{""}},
	} {
		tpl, err := Compile(c.source, Text, c.o)
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := tpl.Each(values)
		if err != nil || len(all) != len(c.want) {
			t.Errorf("%s: %q, %v", c.source, all, err)
			continue
		}
		for i := range all {
			if string(all[i]) != c.want[i] {
				t.Errorf("%s: %q, want %q", c.source, all, c.want)
			}
		}
	}
	if tpl, err := Compile("{{list}}", Text, Options{Repeats: true, MaxOutput: 3}); err != nil {
		t.Fatal(err)
	} else if _, _, err := tpl.Each(values); err == nil {
		t.Error("no bound")
	}
}
