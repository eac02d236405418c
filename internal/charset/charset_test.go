package charset

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"mime"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendPlain(t *testing.T) {
	for _, c := range []struct {
		in   *Charset
		text string
		want string
		lost int
	}{
		{Latin1, "Müller, 5 °C", "M\xfcller, 5 \xb0C", 0},
		{Latin1, "“it’s” – 5 € … ő Ł", `"it's" - 5 EUR ... o L`, 8},
		{Latin1, "Zu\u0308rich", "Z\xfcrich", 0},
		{Latin1, "日本 👍🏽\u200d", "?? ??", 5},
		{Latin1, "ﬁve ½ Ÿ", "five \xbd Y", 2},
		{Latin9, "5 € œ ½", "5 \xa4 \xbd 1/2", 1},
		{Windows1252, "“it’s” – 5 € …", "\x93it\x92s\x94 \x96 5 \x80 \x85", 0},
		{Windows1252, "Łódź", "L\xf3dz", 2},
		{ASCII, "Müller Straße ½", "Muller Strasse 1/2", 3},
		{UTF8, "日本", "日本", 0},
		{Latin1, "plain", "plain", 0},
	} {
		got, lost := c.in.AppendPlain([]byte("x"), c.text)
		if string(got) != "x"+c.want || lost != c.lost {
			t.Errorf("%s of %q: %q, %d lost, want %q and %d", c.in, c.text, got[1:], lost, c.want, c.lost)
		}
	}
}

func TestNothingIsLostInXMLAndJSON(t *testing.T) {
	const text = "Müller “5 €” 日本 👍"
	for _, c := range []*Charset{Latin1, Latin9, Windows1252, ASCII, UTF8} {
		var s string
		b := c.AppendJSON(nil, `"`+text+`"`)
		if err := json.Unmarshal(c.Decode(b), &s); err != nil || s != text {
			t.Errorf("%s: %q is %q, %v", c, b, s, err)
		}
		b = c.AppendXML(nil, `<?xml version="1.0" encoding="`+c.String()+`"?><a b="`+text+`">`+text+`</a>`)
		var e struct {
			B    string `xml:"b,attr"`
			Text string `xml:",chardata"`
		}
		d := xml.NewDecoder(strings.NewReader(string(b)))
		d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
			all, err := io.ReadAll(r)
			return strings.NewReader(string(Find(label).Decode(all))), err
		}
		if err := d.Decode(&e); err != nil || e.B != text || e.Text != text {
			t.Errorf("%s: %q is %+v, %v", c, b, e, err)
		}
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]*Charset{"Latin1": Latin1, " ISO-8859-1 ": Latin1, "CP1252": Windows1252, "utf8": UTF8, "koi8-r": nil, "": nil} {
		if Find(name) != want {
			t.Errorf("%q is %v", name, Find(name))
		}
	}
	if Latin1.Has("€") || !Latin1.Has("é") || !Windows1252.Has("€") || ASCII.Has("é") || !UTF8.Has("日") {
		t.Error("what a charset has")
	}
	for name := range strings.FieldsSeq(strings.NewReplacer(",", "", "and ", "").Replace(Names)) {
		if Find(name) == nil {
			t.Errorf("%s is named and not known", name)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ contentType, body, want string }{
		{"text/plain; charset=ISO-8859-1", "M\xfcller", "Müller"},
		{"text/plain; charset=iso-8859-15", "5 \xa4", "5 €"},
		{"application/json;charset=windows-1252", "{\"a\":\"\x80\"}", `{"a":"€"}`},
		{"text/xml", "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>", "<?xml version='1.0' encoding='UTF-8'?><a>ä</a>"},
		{"text/xml; charset=iso-8859-1", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>\xe4</a>", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>ä</a>"},
		{"text/plain", "M\xfcller", "Müller"},
		{"", "M\xfcller", "Müller"},
		{"text/plain", "Müller \xff", "Müller \xff"},
		{"text/plain; charset=utf-8", "M\xfcller", "M\xfcller"},
		{"text/plain; charset=koi8-r", "M\xfcller", "M\xfcller"},
		{"text/plain", "Müller", "Müller"},
		{"text/plain; charset=us-ascii", "Müller", "Müller"},
	} {
		if got := string(Text([]byte(c.body), c.contentType)); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.contentType, c.body, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>"), "text/xml")
	f.Add([]byte("\xff\xfe"), "text/plain; charset=latin1")
	f.Add([]byte("€ 👍\u0301"), "a/b; charset=windows-1252")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		got := Text(body, contentType)
		if utf8.Valid(body) && contentType == "" && Declared(body) == "" && string(got) != string(body) {
			t.Errorf("%q became %q", body, got)
		}
		for _, c := range []*Charset{Latin1, Windows1252, ASCII} {
			written, _ := c.AppendPlain(nil, string(got))
			if back := c.Decode(written); !utf8.Valid(back) || len(written) > 20*len(got)+20 {
				t.Errorf("%q was written as %q in %s", got, written, c)
			}
		}
	})
}

// FuzzMediaType: a Content-Type is read as package mime reads it.
func FuzzMediaType(f *testing.F) {
	for _, t := range []string{
		"application/json", "application/json; charset=utf-8", "text/plain;charset=UTF-8", "text/html; charset=\"latin1\"; x=y", "Text/XML", "", ";", "a", "a/",
		"/b", "a/b;", "a/b; ", "a/b;charset", "a/b;charset=", "a/b; charset=x;", "a/b/c", "application/vnd.x.v1+json", "a/b;  charset=x", "a/b; CHARSET=x",
		"a/b; charset*=utf-8''x", "a/b;charsetcharset=x", "a/b; x=y",
	} {
		f.Add(t)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, params, _ := mime.ParseMediaType(text)
		if kind, charset := MediaType(text); kind != want || charset != params["charset"] {
			t.Fatalf("%q: %q and %q, want %q and %q", text, kind, charset, want, params["charset"])
		}
	})
}
