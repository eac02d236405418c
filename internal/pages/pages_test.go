package pages

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/operate"
)

// TestWhoHasNoPartInAPageIsRefused walks people and rows of the table.
func TestWhoHasNoPartInAPageIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		id := d.accept("acme")
		for _, p := range Pages() {
			if _, ok := operate.Operations()[p.Operation]; !ok {
				t.Errorf("%q is for the operation %q, which is none", p.Pattern, p.Operation)
			}
			path := strings.NewReplacer("{id}", id, "{name}", "crm").Replace(p.Pattern)
			for _, name := range people {
				actor := d.policy.Actor(name, nil, "dashboard")
				for _, method := range p.Methods {
					got := d.ask(name, method, path, nil)
					if allowed := may(actor, p.Operation); allowed == (got.status == http.StatusForbidden) && (p.Pattern != "" || got.status != http.StatusSeeOther) {
						t.Errorf("%s %s %q: %d, allowed: %v", name, method, path, got.status, allowed)
					}
				}
			}
		}
	})
}

func TestTheNavigationHasWhatOneMaySee(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for _, name := range people {
			actor := d.policy.Actor(name, nil, "dashboard")
			got := d.as(name, "nowhere")
			for _, p := range all {
				if p.nav == "" {
					continue
				}
				link := `<a href="/ops/` + p.pattern + `">` + p.nav + `</a>`
				if want := may(actor, p.operation) && (p.pattern != "reveal" || name == "rita") && (p.pattern != "erase" || name == "erna") && !p.managed; strings.Contains(got.body, link) != want {
					t.Errorf("%s: %s, may: %v", name, link, want)
				}
			}
		}
	})
}

func TestProblemsSayWhatIsWrong(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for _, c := range []struct {
			name, method, path string
			status             int
			says               string
		}{
			{"vera", "GET", "nowhere", 404, "no page of the dashboard"},
			{"vera", "GET", "../other", 404, "no page of the dashboard"},
			{"vera", "POST", "", 405, "not asked for in that way"},
			{"vera", "HEAD", "", 200, ""},
			{"nobody", "GET", "", 403, "you have no role here"},
			{"nobody", "GET", "nowhere", 403, "you have no role here"},
			{"vera", "GET", "static/style.css", 200, ""},
			{"nobody", "GET", "static/page.js", 200, ""},
			{"vera", "GET", "static/../templates/layout.html", 404, ""},
			{"vera", "GET", "static/nothing.js", 404, ""},
			{"vera", "GET", "static/", 404, ""},
		} {
			got := d.ask(c.name, c.method, c.path, nil)
			if got.status != c.status || c.says != "" && !strings.Contains(strings.ToLower(got.body), strings.ToLower(c.says)) {
				t.Errorf("%s %s %s: %d %s", c.name, c.method, c.path, got.status, text(t, got.body))
			}
		}
		d.away.Store(true)
		got := d.as("vera", "")
		if got.status != 503 || !says(t, got, "No store is open") || !strings.Contains(got.body, "data-retry") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

// TestFilesAreKeptAsLongAsTheyAreTheSame: their addresses change with them.
func TestFilesAreKeptAsLongAsTheyAreTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		page := d.as("vera", "")
		for _, name := range []string{"style.css", "page.js", "icon.svg"} {
			link := d.ui.assetLink(name)
			if !strings.Contains(page.body, `"`+link+`"`) {
				t.Errorf("the page has no %s", link)
			}
			if got := d.as("vera", link); got.status != 200 || !strings.Contains(got.header.Get("Cache-Control"), "immutable") || got.header.Get("Content-Type") != types[name[strings.LastIndex(name, "."):]] {
				t.Errorf("%s: %d %v", link, got.status, got.header)
			}
			if got := d.as("vera", "static/"+name+"?v=old"); got.status != 200 || strings.Contains(got.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d %v", name, got.status, got.header)
			}
		}
	})
}

// TestAnyPrefixWill: also none.
func TestAnyPrefixWill(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for _, prefix := range []string{"/", "/a/b/"} {
			ui, err := New(Options{Prefix: prefix, Service: func() (*operate.Service, error) { return d.service, nil }})
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			ui.Serve(w, httptest.NewRequest("GET", "https://ops.test"+prefix, nil), d.policy.Actor("vera", nil, "dashboard"))
			if w.Code != 200 || !strings.Contains(w.Body.String(), `href="`+prefix+`static/style.css?v=`) {
				t.Errorf("%s: %d %s", prefix, w.Code, w.Body)
			}
			for _, l := range links(w.Body.String()) {
				if !strings.HasPrefix(l, prefix) {
					t.Errorf("%s: %s leads elsewhere", prefix, l)
				}
			}
		}
	})
}

// TestScriptsAreSmall: that the pages work without them is part of what they are.
func TestScriptsAreSmall(t *testing.T) {
	lines := 0
	for name := range hashes() {
		if builderFiles[name] != nil {
			continue // see TestTheBuilderIsSmall
		}
		text, err := files.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".js") {
			lines += strings.Count(string(text), "\n")
		}
		if strings.HasSuffix(name, ".css") && strings.Count(string(text), "\n") > 400 {
			t.Errorf("%s has more than 400 lines", name)
		}
		for _, no := range []string{"eval(", "innerHTML", "insertAdjacentHTML", "document.write", "https://", "localStorage"} {
			if strings.Contains(string(text), no) {
				t.Errorf("%s has %s", name, no)
			}
		}
	}
	if lines > 300 {
		t.Errorf("%d lines of scripts", lines)
	}
}

func TestTokensAreForWhoHasThem(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		vera, otto := d.policy.Actor("vera", nil, "dashboard"), d.policy.Actor("otto", nil, "dashboard")
		token, err := d.ui.tokens.seal(tokenNote, vera, note{Text: "done"}, noteKept)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.as("vera", "?note="+token); !says(t, got, "done") {
			t.Error(text(t, got.body))
		}
		if got := d.as("otto", "?note="+token); says(t, got, "done") {
			t.Error("somebody else's note is shown")
		}
		var n note
		for what, err := range map[string]error{
			"another kind": d.ui.tokens.open(tokenSearch, vera, token, &n), "somebody else's": d.ui.tokens.open(tokenNote, otto, token, &n),
			"changed": d.ui.tokens.open(tokenNote, vera, token[:len(token)-2]+"AA", &n), "none": d.ui.tokens.open(tokenNote, vera, "x", &n),
		} {
			if err == nil {
				t.Errorf("%s is taken", what)
			}
		}
		if slices.Contains([]string{"done"}, n.Text) {
			t.Error("a token that was not taken was read")
		}
	})
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(1234567): "1,234,567", count(-1234): "-1,234",
		size(0): "0 bytes", size(1): "1 byte", size(1536): "1.5 KiB", size(50 << 20): "50 MiB", size(int64(3) << 40): "3.0 TiB",
		took(0.2): "under 1 ms", took(310): "310 ms", took(1900): "1.9 s", took(120_000): "2 minutes",
		percent(1): "100 %", percent(0.99999): "99.9 %", percent(0): "0 %", percent(0.5): "50 %",
		plural(1, "call"): "1 call", plural(2, "delivery"): "2 deliveries", plural(2, "day"): "2 days", plural(0, "copy"): "0 copies",
		enumerate([]string{"a", "b", "c"}, 2): "a, b and 1 more", sentence("the store"): "The store.", sentence("Why?"): "Why?", sentence(""): "",
		plain("a\u202eb\u0000c\nd"): "a�b�c d", short(3, "abcdef"): "abc…", plain("ok"): "ok", plain("\xff"): "�",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestANonceAllowsAPageItsStyles: of that answer only.
func TestANonceAllowsAPageItsStyles(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		seen := map[string]bool{}
		for range 2 {
			w := httptest.NewRecorder()
			q := &request{ui: d.ui, w: w, r: httptest.NewRequest("GET", "https://ops.test/ops/", nil)}
			q.useNonce()
			q.addScript("live.js")
			if err := q.show("reveal_one", "x", nil); err != nil {
				t.Fatal(err)
			}
			nonce := q.head.nonce
			if len(nonce) < 20 || seen[nonce] || !strings.Contains(w.Header().Get("Content-Security-Policy"), "style-src 'self' 'nonce-"+nonce+"';") ||
				!strings.Contains(w.Body.String(), `data-nonce="`+nonce+`"`) || !strings.Contains(w.Body.String(), "static/live.js?v=") {
				t.Errorf("%s: %v", nonce, w.Header())
			}
			seen[nonce] = true
		}
	})
}
