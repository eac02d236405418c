package pages

import (
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"reflect"
	"strings"
	"sync"

	"github.com/callgate/callgate/internal/operate"
)

//go:embed templates static
var files embed.FS

// staticPath is where the style sheet and the scripts lie below the prefix.
const staticPath = "static/"

// shared are the templates that are no pages.
var shared = []string{"templates/layout.html", "templates/parts.html"}

// parse reads the templates: each page has its own set, with what is shared.
func (u *UI) parse() (map[string]*template.Template, error) {
	base, err := template.New("").Funcs(u.functions()).ParseFS(files, shared...)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := map[string]*template.Template{}
	for _, name := range names {
		t, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if t, err = t.ParseFS(files, name); err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return all, nil
}

// functions are what templates can call besides what is built in.
func (u *UI) functions() template.FuncMap {
	return template.FuncMap{
		"link":     u.link,
		"asset":    u.assetLink,
		"utc":      utc,
		"iso":      iso,
		"clock":    u.clock,
		"count":    counted,
		"bytes":    sized,
		"took":     took,
		"percent":  percent,
		"rate":     func(perCent *float64) string { return percent(*perCent / 100) },
		"plural":   func(n any, what string) string { return plural(int(reflect.ValueOf(n).Int()), what) },
		"plain":    plain,
		"short":    short,
		"read":     read,
		"shape":    shape,
		"sentence": sentence,
	}
}

// layout is what the layout is filled with.
type layout struct {
	Title string
	// Nav are the pages that the actor may see.
	Nav []navLink
	// Who is who asks, as who, and of which tenants.
	Who string
	// Note says what was just done.
	Note    *note
	Scripts []string
	Nonce   string
	Data    any
}

type navLink struct {
	Name, Link string
	Current    bool
}

func (q *request) layout(title string, data any) *layout {
	l := &layout{Title: title, Who: who(q.actor), Note: q.noted(), Nonce: q.head.nonce, Data: data}
	section := ""
	if q.page != nil {
		if section = q.page.section; section == "" {
			section = q.page.pattern
		}
	}
	for i := range all {
		if p := &all[i]; p.leads(q) {
			l.Nav = append(l.Nav, navLink{p.nav, q.link(strings.Split(p.pattern, "/")...), q.page != nil && p.pattern == section})
		}
	}
	for _, s := range append([]string{"page.js"}, q.head.scripts...) {
		l.Scripts = append(l.Scripts, q.ui.assetLink(s))
	}
	return l
}

// who says who an actor is.
func who(a operate.Actor) string {
	if a.Name == "" {
		return ""
	}
	parts := append([]string{a.Name}, a.Roles...)
	if a.Bound != nil && a.May != nil {
		for _, c := range operate.Capabilities() {
			if tenants, bound := a.Bound(c); bound && a.May(c) {
				parts = append(parts, enumerate(tenants, 3))
				break
			}
		}
	}
	return strings.Join(parts, " · ")
}

// addScript has a module of static loaded besides page.js.
func (q *request) addScript(name string) { q.head.scripts = append(q.head.scripts, name) }

// useNonce makes a nonce with which the page may have styles of its own, for an editor that makes them as it runs. It stands
// in the page as the attribute data-nonce of its body.
func (q *request) useNonce() { q.head.nonce = rand.Text() }

// hashes are what the files of static are known by, so that browsers keep them as long as they are the same.
var hashes = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	names, _ := fs.Glob(files, "static/*") // the pattern is right, which is the only error
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			continue // a folder
		}
		sum := sha256.Sum256(text)
		all[path.Base(name)] = hex.EncodeToString(sum[:6])
	}
	for name, text := range builderFiles {
		sum := sha256.Sum256(text)
		all[name] = hex.EncodeToString(sum[:6])
	}
	return all
})

func (u *UI) assetLink(name string) string {
	return u.o.Prefix + staticPath + name + "?v=" + hashes()[name]
}

// types are what the files of static are, by how their names end.
var types = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// asset serves a file of static. It is the same for everybody, and so for those who may nothing: their error page has a
// style too.
func (q *request) asset(name string) error {
	text, err := builderFiles[name], error(nil)
	if text == nil {
		text, err = files.ReadFile("static/" + name)
	}
	kind := types[path.Ext(name)]
	if err != nil || kind == "" || strings.Contains(name, "/") {
		return notFound("there is no such file")
	}
	if q.r.Method != http.MethodGet && q.r.Method != http.MethodHead {
		return &problem{http.StatusMethodNotAllowed, "files are only read"}
	}
	h := q.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	if q.r.URL.Query().Get("v") == hashes()[name] {
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	if q.r.Method == http.MethodGet {
		_, _ = q.w.Write(text)
	}
	return nil
}
