package outbound

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// theirs signs in with a token that it has fetched.
type theirs struct{ renewed }

func (a theirs) Apply(ctx context.Context, req *http.Request) error {
	err := a.renewed.Apply(ctx, req)
	req.Header.Set("Authorization", "Bearer access-token-of-theirs")
	return err
}

// TestATrialIsMarkedAndShownWithoutSecrets: also where the receiver answers with what it was sent.
func TestATrialIsMarkedAndShownWithoutSecrets(t *testing.T) {
	var marks []string
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		marks = append(marks, r.URL.Path+" "+r.Header.Get(TestHeader))
		if r.URL.Path == "/token" {
			_, _ = io.WriteString(w, "access-token-of-theirs")
			return
		}
		w.Header().Set("Set-Cookie", "session=of-theirs")
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+" "+r.URL.RawQuery+" "+strings.Repeat("é", 2000))
	}))
	defer echo.Close()
	c := NewClient(Options{AllowPrivate: true})
	defer c.CloseIdle()
	ctx, trial := Tried(t.Context())
	req, err := NewRequest(ctx, "POST", echo.URL+"/hook?api_key=of-the-query&page=2", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(ctx, theirs{renewed{c, echo.URL}}, req); err != nil {
		t.Fatal(err)
	}
	if req.Header.Get(TestHeader) != "" {
		t.Error("the caller's request is changed")
	}
	refused, _ := NewRequest(ctx, "GET", "http://127.0.0.1:1/", nil)
	if _, err := c.Do(ctx, refused); err == nil {
		t.Fatal("somebody listens on port 1")
	}
	all := trial.Requests()
	if len(all) != 2 || all[0].Status != 201 || all[0].Method != "POST" || !strings.HasSuffix(all[0].URL, "/hook?api_key="+Masked+"&page=2") || all[1].Error == "" || all[1].Status != 0 {
		t.Fatalf("%+v", all)
	}
	if !strings.Contains(all[0].Excerpt, "page=2") || len(all[0].Excerpt) > maxExcerpt+8 || !strings.HasSuffix(all[0].Excerpt, "é…") {
		t.Errorf("%.300s", all[0].Excerpt)
	}
	for name, values := range all[0].Header {
		for _, secret := range []string{"of-theirs", "of-the-query"} {
			if strings.Contains(strings.Join(values, " "), secret) || strings.Contains(all[0].Excerpt, secret) {
				t.Errorf("%s or the answer has %s: %v", name, secret, values)
			}
		}
	}
	if got := strings.Join(marks, ", "); got != "/token , /hook true" {
		t.Errorf("%s", got)
	}
	plain, _ := NewRequest(t.Context(), "POST", echo.URL+"/hook", nil)
	if _, err := c.Do(t.Context(), plain); err != nil || marks[2] != "/hook " {
		t.Errorf("outside of a test: %v, %v", err, marks)
	}
}
