package outbound

import (
	"context"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestFieldNames(t *testing.T) {
	for name, tt := range map[string]struct {
		url, kind, body string
		want            string
	}{
		"JSON": {body: `{"properties":{"email":"a@b.c","phone":"","age":0,"vip":false,"none":null},"tags":[],"inputs":[{"id":"1"},{"id":"2","x":1}]}`,
			want: "properties.email properties.age properties.vip inputs[].id inputs[].x"},
		"a value in the place of a name": {body: `{"+15551234567":{"name":"Mike"},"Mike Johnson":1,"a@b.c":2,"ok":3,"":4}`, want: "*.name * ok"},
		"a list":                         {kind: "application/json", body: ` [[1],{"a":"b"}]`, want: "[][] [].a"},
		"not JSON":                       {body: `{"a":`},
		"XML":                            {kind: "text/xml; charset=utf-8", body: `<?xml version="1.0"?><s:Envelope xmlns:s="urn:s"><s:Body><Call id="7"><Name>Mike</Name><Empty/></Call></s:Body></s:Envelope>`, want: "Envelope.Body.Call@id Envelope.Body.Call.Name"},
		"a form":                         {kind: "application/x-www-form-urlencoded", body: "name=Mike+J&empty=&a%5B%5D=1", want: "name *"},
		"the URL":                        {url: "?email=a%40b.c&page=2&bare", want: "?email ?page"},
		"text":                           {kind: "text/plain", body: "Mike called"},
		"very deep":                      {body: strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), want: strings.TrimSuffix(strings.Repeat("a.", 13), ".")},
		"a long name":                    {body: `{"` + strings.Repeat("a", 60) + `":{"` + strings.Repeat("b", 60) + `":1}}`, want: strings.Repeat("a", 60) + "." + strings.Repeat("b", 32) + "…"},
	} {
		req, err := NewRequest(t.Context(), "POST", "https://crm.example/x"+tt.url, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", tt.kind)
		got, more := fieldNames(req, []byte(tt.body), nil)
		if strings.Join(got, " ") != tt.want || more != 0 {
			t.Errorf("%s: %q and %d more, want %q", name, got, more, tt.want)
		}
	}
	var many strings.Builder
	for c := 'a'; c <= 'z'; c++ {
		for _, d := range "xyz" {
			many.WriteString(`,"` + string(c) + string(d) + `":1`)
		}
	}
	req, _ := NewRequest(t.Context(), "POST", "https://crm.example/", nil)
	if got, more := fieldNames(req, []byte("{"+many.String()[1:]+"}"), nil); len(got) != maxFieldNames || more != 78-maxFieldNames {
		t.Errorf("%d names and %d more", len(got), more)
	}
}

// renewed fetches a token through the client, as OAuth does.
type renewed struct {
	client *Client
	url    string
}

func (r renewed) Apply(ctx context.Context, req *http.Request) error {
	token, err := NewRequest(ctx, "POST", r.url+"/token?secret=s", []byte(`{"client_secret":"s"}`))
	if err != nil {
		return err
	}
	_, err = r.client.Do(ctx, token)
	req.Header.Set("Authorization", "Bearer s")
	return err
}
func (renewed) Rejected(context.Context, *http.Request, int, []byte) bool { return true }
func (renewed) Mask(http.Header)                                          {}

func TestWhatIsSentIsNoted(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), "lost") {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/unauthorized" {
			w.WriteHeader(401)
		}
	}))
	defer s.Close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	c := NewClient(Options{AllowPrivate: true})
	ctx, record := Recorded(t.Context())
	send := func(method, url, body string, auth Authorizer) {
		t.Helper()
		var b []byte
		if body != "" {
			b = []byte(body)
		}
		req, err := NewRequest(ctx, method, url, b)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Send(ctx, auth, req)
	}
	send("GET", "http://user:pass@"+host+"/secret/path?email=x", "", nil)
	send("POST", s.URL+"/unauthorized", `{"name":"Mike"}`, renewed{c, s.URL})  // sent again with another token
	send("PUT", s.URL+"/", `{"lost":1}`, nil)                                  // the answer is lost, the call is not
	send("POST", "http://"+nobody.Addr().String()+"/", `{"name":"Mike"}`, nil) // never left
	list, more := record.Sent()
	mike := Sent{Method: "POST", Host: host, Bytes: 15, Sum: sha256.Sum256([]byte(`{"name":"Mike"}`)), Fields: []string{"name"}}
	want := []Sent{
		{Method: "GET", Host: host, Fields: []string{"?email"}}, mike, mike,
		{Method: "PUT", Host: host, Bytes: 10, Sum: sha256.Sum256([]byte(`{"lost":1}`)), Fields: []string{"lost"}},
	}
	if more != 0 || !slices.EqualFunc(list, want, func(a, b Sent) bool {
		return a.Method == b.Method && a.Host == b.Host && a.Bytes == b.Bytes && a.Sum == b.Sum && slices.Equal(a.Fields, b.Fields) && a.More == b.More
	}) {
		t.Errorf("noted\n%+v and %d more, want\n%+v", list, more, want)
	}
	for range maxSent {
		send("GET", s.URL, "", nil)
	}
	if list, more := record.Sent(); len(list) != maxSent || more != 4 {
		t.Errorf("%d are noted, and %d more", len(list), more)
	}
}

func FuzzFieldNames(f *testing.F) {
	f.Add("application/json", []byte(`{"a":[{"b":"c"}],"+1":2}`))
	f.Add("text/xml", []byte(`<a b="c"><d>e</d></a>`))
	f.Add("application/x-www-form-urlencoded", []byte("a=b&c%zz=d"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		req, err := NewRequest(t.Context(), "POST", "https://crm.example/", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		list, more := fieldNames(req, body, nil)
		for _, before := range [][]string{list, list[:len(list)/2], append(slices.Clone(list[:len(list)/2]), "another", "one")} {
			kept := slices.Clone(before)
			if again, left := fieldNames(req, body, before); !slices.Equal(again, list) || left != more || !slices.Equal(before, kept) {
				t.Fatalf("after %q: %q and %d more, want %q and %d", before, again, left, list, more)
			}
		}
		if len(list) > maxFieldNames {
			t.Fatalf("%d names", len(list))
		}
		for _, n := range list {
			if len(n) > maxFieldName || strings.Trim(strings.TrimSuffix(n, "…"), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$-:.*[]?@") != "" {
				t.Fatalf("%q is no name", n)
			}
		}
	})
}
