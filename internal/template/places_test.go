package template

import "testing"

func TestURL(t *testing.T) {
	omit := Options{Policy: OmitEmpty}
	check(t, URL, map[string]row{
		"the guide's HubSpot":    {source: "https://api.hubapi.com/contacts/v1/contact/createOrUpdate/email/{{email}}", want: "https://api.hubapi.com/contacts/v1/contact/createOrUpdate/email/a%2Bb%20c%40x.example"},
		"segment and query":      {source: "https://x.example/a/{{slash}}/b?q={{amp}}&e={{email}}", want: "https://x.example/a/a%2Fb/b?q=a%26b%3Dc&e=a%2Bb%20c%40x.example"},
		"question and hash":      {source: "https://x.example/{{query}}?{{query}}=1", want: "https://x.example/a%3Fb%23c?a%3Fb%23c=1"},
		"unicode":                {source: "https://x.example/é/{{snow}}", want: "https://x.example/%C3%A9/%E2%98%83%20%C3%A9%20%E6%97%A5%E6%9C%AC%20%F0%9F%8E%89"},
		"not UTF-8":              {source: "https://x.example/{{bad}}", want: "https://x.example/a%EF%BF%BDb"},
		"urlencode is not twice": {source: "https://x.example/{{email|urlencode}}?e={{email|urlencode|lower}}", want: "https://x.example/a%2Bb%20c%40x.example?e=a%2Bb%20c%40x.example"},
		"part of a segment":      {source: "https://x.example/lead-{{count}}.json", want: "https://x.example/lead-42.json"},
		"encoded constants":      {source: "https://x.example/a%20b?c=%26&d", want: "https://x.example/a%20b?c=%26&d"},
		"script":                 {source: "https://x.example/?s={{script}}", want: "https://x.example/?s=%3C%2Fscript%3E%3Cb%3E%26amp%3B"},
		"constant dots":          {source: "https://x.example/v1.0/{{name}}", want: "https://x.example/v1.0/Mike"},
		"two in a segment":       {source: "https://x.example/{{name}}.{{last}}", want: "https://x.example/Mike.O%27Neil"},
		"query after the host":   {source: "https://x.example?a={{name}}", want: "https://x.example?a=Mike"},
		"missing in the query":   {source: "https://x.example/?a={{gone}}&b=1&c={{name}}", want: "https://x.example/?a=&b=1&c=Mike"},
		"omitted pairs":          {source: "https://x.example/?a={{gone}}&b=1&c={{gone}}", o: omit, want: "https://x.example/?b=1"},
		"omitted query":          {source: "https://x.example/?a={{gone}}", o: omit, want: "https://x.example/"},
		"fragment":               {source: "https://x.example/{{name}}?a={{name}}#top", want: "https://x.example/Mike?a=Mike"},
		"no variables":           {source: "https://x.example", want: "https://x.example"},
		"IPv6":                   {source: "http://[::1]:8080/{{name}}", want: "http://[::1]:8080/Mike"},
		"line breaks in query":   {source: "https://x.example/?n={{lines}}{{nul}}", want: "https://x.example/?n=one%0D%0Atwo%09threeab"},

		"missing in the path":          {source: "https://x.example/a/{{gone}}", want: "!1:21: {{gone}}: the variable is missing and stands in the path"},
		"missing in the path, omitted": {source: "https://x.example/a-{{gone}}", o: omit, want: "!{{gone}}: the variable is missing"},
		"default in the path":          {source: "https://x.example/{{gone|default:none}}", want: "https://x.example/none"},
		"empty default in the path":    {source: "https://x.example/{{gone|default:''}}/a", want: "!{{gone}}: the variable is missing"},
		"climbing":                     {source: "https://x.example/{{path}}", want: "!{{path}}: the value climbs"},
		"dots":                         {source: "https://x.example/a/{{dots}}/b", want: "!{{dots}}: the value climbs"},
		"a dot":                        {source: "https://x.example/a/{{dot}}", want: "!{{dot}}: the value makes a . or .. segment"},
		"dots of two values":           {source: "https://x.example/a/{{dot}}{{dot}}/b", want: "!{{dot}}: the value makes"},
		"dots with an encoded one":     {source: "https://x.example/a/%2E{{dot}}", want: "!{{dot}}: the value makes"},
		"NUL in the path":              {source: "https://x.example/{{nul}}", want: "!{{nul}}: the value climbs with .. or holds control"},
		"line break in the path":       {source: "https://x.example/{{lines}}", want: "!{{lines}}: the value climbs"},

		"host":           {source: "https://{{name}}/", want: "!1:9: {{name}}: a variable in the scheme or host"},
		"part of host":   {source: "https://{{name}}.example/", want: "!a variable in the scheme or host"},
		"end of host":    {source: "https://x.example{{slash}}", want: "!a variable in the scheme or host"},
		"port":           {source: "https://x.example:{{count}}/", want: "!a variable in the scheme or host"},
		"scheme":         {source: "{{name}}://x.example/", want: "!1:1: {{name}}: a variable in the scheme or host"},
		"whole":          {source: "{{name}}", want: "!a variable in the scheme or host"},
		"user info":      {source: "https://{{name}}@x.example/", want: "!a variable in the scheme or host"},
		"constant user":  {source: "https://u:p@x.example/", want: "!a user name or password in the URL"},
		"at in the path": {source: "https://x.example/@{{email}}", want: "https://x.example/@a%2Bb%20c%40x.example"},
		"fragment var":   {source: "https://x.example/?a#{{name}}", want: "!1:22: {{name}}: a variable after the #"},
		"path fragment":  {source: "https://x.example/#{{name}}", want: "!a variable after the #"},
		"other scheme":   {source: "file:///etc/passwd", want: "!must begin with https://"},
		"relative":       {source: "/a/b", want: "!must begin with https://"},
		"no host":        {source: "https:///a", want: "!names no host"},
		"space":          {source: "https://x.example/a b", want: "!1:20: a space"},
		"backslash":      {source: `https://x.example\@evil.example/`, want: "!1:18: a space, backslash"},
		"broken escape":  {source: "https://x.example/%zz", want: "!not a URL"},
		"empty":          {source: "", want: "!the URL is empty"},
		"number":         {source: "https://x.example/{{count|number}}", want: "!are for JSON bodies"},
	})
}

func TestXML(t *testing.T) {
	omit := Options{Policy: OmitEmpty}
	check(t, XML, map[string]row{
		"text and attribute": {source: "<?xml version=\"1.0\"?>\n<a b=\"{{quote}}\" c='{{last}}'>{{script}}</a>", want: "<?xml version=\"1.0\"?>\n<a b=\"say &#34;hi&#34; \\o/\" c='O&#39;Neil'>&lt;/script&gt;&lt;b&gt;&amp;amp;</a>"},
		"line breaks":        {source: "<a b=\"{{lines}}\">{{lines}}</a>", want: "<a b=\"one&#xD;&#xA;two&#x9;three\">one&#xD;\ntwo\tthree</a>"},
		"not allowed":        {source: "<a>{{nul}}{{bad}}</a>", want: "<a>a\uFFFDba\uFFFDb</a>"},
		"unicode":            {source: "<ä>{{snow}}</ä>", want: "<ä>☃ é 日本 🎉</ä>"},
		"CDATA":              {source: "<a><![CDATA[<b> & {{cdata}} {{script}}]]>!</a>", want: "<a>&lt;b&gt; &amp; ]]&gt; &lt;/script&gt;&lt;b&gt;&amp;amp;!</a>"},
		"comment stays":      {source: "<a><!-- <x> \" ' --><b q=\"a>b\"/>{{name}}</a>", want: "<a><!-- <x> \" ' --><b q=\"a>b\"/>Mike</a>"},
		"missing":            {source: "<a><b>{{gone}}</b><c d=\"{{gone}}\"/></a>", want: "<a><b></b><c d=\"\"/></a>"},
		"omitted":            {source: "<a><b>{{gone}}</b><c d=\"{{gone}}\">x {{gone}}</c><e f=\"{{name}}\">{{gone}}</e><g>{{gone}}{{name}}</g><h>1</h></a>", o: omit, want: "<a><e f=\"Mike\"></e><g>Mike</g><h>1</h></a>"},
		"list":               {source: "<a>{{list}}</a>", want: "<a>a, 1, true</a>"},
		"strict":             {source: "<a>\n<b>{{gone}}</b></a>", o: Options{Policy: Strict}, want: "!2:4: {{gone}}: the variable is missing"},
		"namespaces":         {source: `<s:Envelope xmlns:s="http://x"><s:Body>{{name}}</s:Body></s:Envelope>`, want: `<s:Envelope xmlns:s="http://x"><s:Body>Mike</s:Body></s:Envelope>`},

		"end of CDATA in two": {source: "<a>{{'x]]'}}>y</a>", want: "<a>x]]&gt;y</a>"},
		"declaration first":   {source: "\n <?xml version='1.0'?><a>{{name}}</a>\n", want: "<?xml version='1.0'?><a>Mike</a>\n"},
		"attribute twice":     {source: "<a b='1' b='{{name}}'/>", want: "!the same attribute twice"},

		"tag name":       {source: "<{{name}}/>", want: "!1:2: {{name}}: a variable in a tag's name"},
		"attribute name": {source: "<a {{name}}=\"1\"/>", want: "!a variable in a tag's name"},
		"bare attribute": {source: "<a b={{name}}/>", want: "!a variable in a tag's name"},
		"comment":        {source: "<a><!-- {{name}} --></a>", want: "!a variable in a tag's name, a comment"},
		"instruction":    {source: "<a><?x {{name}}?></a>", want: "!a variable in a tag's name"},
		"doctype":        {source: "<!DOCTYPE a><a/>", want: "!1:1: a DOCTYPE"},
		"not closed":     {source: "<a>\n<b></a>", want: "!2:1: not well-formed"},
		"open tag":       {source: "<a", want: "!ends inside of a tag"},
		"two roots":      {source: "<a/><b/>", want: "!exactly one root"},
		"no root":        {source: "<!-- x -->", want: "!exactly one root"},
		"text outside":   {source: "<a/>{{name}}", want: "!text outside of the root"},
		"other encoding": {source: `<?xml version="1.0" encoding="KOI8-R"?><a/>`, want: "!an encoding that cannot be written here"},
		"number":         {source: "<a>{{count|number}}</a>", want: "!are for JSON bodies"},
	})
}

func TestForm(t *testing.T) {
	check(t, Form, map[string]row{
		"values":        {source: "a={{amp}}&b={{email}}&c={{snow|truncate:1}}", want: "a=a%26b%3Dc&b=a%2Bb+c%40x.example&c=%E2%98%83"},
		"on lines":      {source: "\n a=AI Receptionist é\n&b={{name}}\n", want: "a=AI+Receptionist+%C3%A9&b=Mike"},
		"encoded":       {source: "a=x%26y+z", want: "a=x%26y+z"},
		"line breaks":   {source: "a={{lines}}{{nul}}", want: "a=one%0D%0Atwo%09threeab"},
		"value as key":  {source: "{{amp}}=1", want: "a%26b%3Dc=1"},
		"missing":       {source: "a={{gone}}&b=1", want: "a=&b=1"},
		"omitted":       {source: "a={{gone}}&b=1&c={{gone}}", o: Options{Policy: OmitEmpty}, want: "b=1"},
		"urlencode":     {source: "a={{email|urlencode}}", want: "a=a%2Bb+c%40x.example"},
		"empty pairs":   {source: "&a=1& &", want: "a=1"},
		"empty":         {source: "", want: ""},
		"broken escape": {source: "a=1&\n b=5%", want: "!2:5: a % that is not followed"},
	})
}

func TestHeader(t *testing.T) {
	check(t, Header, map[string]row{
		"line break":    {source: "{{header}}", want: "x X-Evil: 1"},
		"around":        {source: "Bearer {{gone}}", want: "Bearer"},
		"control":       {source: " <{{lines}}|{{nul}}> ", want: "<one two three|a b>"},
		"unicode":       {source: "{{snow}}", want: "☃ é 日本 🎉"},
		"not UTF-8":     {source: "{{bad}}", want: "a\uFFFDb"},
		"constant":      {source: "a\r\nb", want: "!1:2: a control character"},
		"constant text": {source: "{{'x\ny'}}", want: "!control character"},
		"default":       {source: "{{gone|default:x}}", want: "x"},
	})
}
