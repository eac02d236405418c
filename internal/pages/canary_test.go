package pages

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// found is the first of what must not be seen that is in a text; empty if there is none.
func found(text string) string {
	for _, p := range personal {
		if strings.Contains(text, p) {
			return p
		}
	}
	return ""
}

// crawl asks for every page that somebody gets to by links, and gives the answers by their addresses.
func (d *desk) crawl(name string, begin ...string) map[string]answer {
	d.t.Helper()
	pages, open := map[string]answer{}, begin
	for len(open) > 0 {
		link := open[0]
		open = open[1:]
		if _, known := pages[link]; known || strings.HasPrefix(link, "/ops/api/") {
			continue
		}
		if len(pages) > 400 {
			d.t.Fatalf("there is no end to the pages of %s", name)
		}
		got := d.as(name, link)
		pages[link] = got
		if got.status == 303 {
			open = append(open, got.header.Get("Location"))
		}
		open = append(open, links(strings.NewReplacer("&amp;", "&").Replace(got.body))...)
	}
	return pages
}

// TestNoPageShowsWhatCallersSaid: neither pages, nor their headers and addresses, nor the log, to anybody who did not reveal it.
func TestNoPageShowsWhatCallersSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.accept("acme")
		d.dispatch.down.Store(true)
		d.accept("beta")
		d.crm.slow.Store(true)
		d.accept("acme")
		search := d.post("vera", "events/search", url.Values{"q": {"caller:+15559876543 tenant:acme"}})
		if search.status != 303 || found(search.header.Get("Location")) != "" {
			t.Errorf("%d %v", search.status, search.header)
		}
		if got := d.as("vera", search.header.Get("Location")); strings.Count(got.body, `<tr>`) != 3 { // the head, and two
			t.Errorf("the search finds %s", text(t, got.body))
		}
		for _, name := range []string{"vera", "otto", "dora", "bill", "audrey", "erna", "ada", "ron"} {
			begin := []string{"/ops/"}
			if name == "otto" {
				begin = append(begin, "/ops/events?q=state:waiting", "/ops/events?q=state:delivered", "/ops/deliveries?q=state:waiting")
			}
			if name == "vera" {
				begin = append(begin, search.header.Get("Location"))
			}
			all := d.crawl(name, begin...)
			if name == "vera" && len(all) < 15 {
				t.Errorf("%s gets to %d pages only", name, len(all))
			}
			for link, got := range all {
				if hit := found(got.body); hit != "" {
					t.Errorf("%s: %s shows %s", name, link, hit)
				}
				for h, values := range got.header {
					if hit := found(strings.Join(values, " ")); hit != "" {
						t.Errorf("%s: %s has %s in its header %s", name, link, hit, h)
					}
				}
				if got.status >= 500 || got.status == 400 || got.status == 404 && name == "vera" {
					t.Errorf("%s: a link leads to %s, which is answered with %d: %s", name, link, got.status, text(t, got.body))
				}
			}
		}
		if hit := found(d.log.String()); hit != "" {
			t.Errorf("the log has %s", hit)
		}
	})
}

// hostileCall is a call that means harm.
const hostileCall = `{"provider":"nextphone","event_type":"<script>alert(1)</script>","caller_number":"+15559876543","first_name":"</title><img src=x onerror=alert(1)>",` +
	`"message":"MESSAGE","urgent":false,"callback_requested":false,"params":{"\u202eexe.txt":"a","<b>x</b>":"'\"><svg onload=alert(1)>","{{.}}":"{{.}}"}}`

// asValue is what stands in fields, which are texts of their own, to be sent as they are.
var asValue = regexp.MustCompile(` value="[^"]*"`)

// TestWhatStrangersWriteIsText: in every page, also when it was revealed, and however long it is.
func TestWhatStrangersWriteIsText(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		id := d.acceptRecord("<i>acme</i>\u202e", strings.Replace(hostileCall, "MESSAGE", strings.Repeat("<script>alert(2)</script> \u202eword ", 6000), 1))
		pages := d.crawl("vera", "/ops/")
		pages["revealed"] = d.post("ron", "events/"+id+"/reveal", url.Values{"reason": {"<script>why</script>"}})
		if !says(t, pages["revealed"], "There is more than is shown") {
			t.Error("it is not said that a long text is cut")
		}
		// What takes the most room in a page, which is bounded for every page that is asked for.
		for _, most := range []string{`\"`, "'", "<", "äöü", `\n`, "\u202e"} {
			long := d.acceptRecord("acme", strings.Replace(hostileCall, "MESSAGE", strings.Repeat(most, 200<<10/len(most)), 1))
			if got := d.post("ron", "events/"+long+"/reveal", url.Values{"reason": {"x"}}); got.status != 200 || !says(t, got, "There is more than is shown") {
				t.Errorf("%q: %d", most, got.status)
			}
			d.as("vera", "events/"+long)
		}
		for link, got := range pages {
			for _, raw := range []string{"<script>alert", "<img src=x", "<svg onload", "<b>x</b>", "<i>acme", "\u202e", "<script>why"} {
				if strings.Contains(asValue.ReplaceAllString(got.body, ""), raw) {
					t.Errorf("%s has %q", link, raw)
				}
			}
		}
	})
}
