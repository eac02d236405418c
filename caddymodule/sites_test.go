package caddymodule

import (
	"fmt"
	"strings"
	"testing"
)

// TestSitesInWhichCallsAreLostWarn has sites in which calls would be answered by nobody, or by the wrong handler.
func TestSitesInWhichCallsAreLostWarn(t *testing.T) {
	const (
		empty  = "no route of this site takes is answered with an empty 200"
		others = "a host name that no site here has is answered with an empty 200"
		hidden = "is never reached"
		lonely = "no handler after the route could answer"
	)
	global := "{\ncallgate {\ndestination crm http https://crm.example {\npass_through\n}\n}\n}\n"
	deliver := " nextphone s {\ndeliver crm\n}\n"
	for name, c := range map[string]struct {
		config string
		want   []string
	}{
		"no fallback":         {"http:// {\ncallgate /a" + deliver + "}", []string{empty}},
		"no fallback, named":  {"hooks.example.com {\ncallgate /a" + deliver + "}", []string{empty + `*"site":"hooks.example.com"`}},
		"a proxy for some":    {"http:// {\ncallgate /a nextphone s\nreverse_proxy /a h:1\n}", []string{empty}},
		"a fallback":          {"http:// {\ncallgate /a" + deliver + "handle {\nrespond 404\n}\n}", nil},
		"a bare one":          {"hooks.example.com {\ncallgate /a" + deliver + "respond 404\n}", nil},
		"handles":             {"hooks.example.com {\nhandle /a {\ncallgate nextphone s\nreverse_proxy h:1\n}\nhandle {\nrespond 404\n}\n}", nil},
		"handles without one": {"hooks.example.com {\nhandle /a {\ncallgate nextphone s\nreverse_proxy h:1\n}\nhandle /b {\nrespond 404\n}\n}", []string{empty}},
		"a route block":       {"http:// {\nroute {\ncallgate /a nextphone s\nreverse_proxy h:1\n}\n}", nil},
		"a proxy for all":     {"http:// {\nencode gzip\ncallgate /a nextphone s\nreverse_proxy h:1\n}", nil},
		"the gateway for all": {"http:// {\nheader X y\ncallgate" + deliver + "}", nil},
		"what a not leaves":   {"http:// {\ncallgate /a nextphone s\nreverse_proxy /a h:1\n@other not path /a\nrespond @other 404\n}", nil},
		"another site":        {"a.example.com {\ncallgate" + deliver + "}\nb.example.com {\nrespond /x ok\n}", nil},
		"one of two sites":    {"a.example.com {\ncallgate" + deliver + "}\nb.example.com {\ncallgate /x" + deliver + "}", []string{empty + `*"site":"b.example.com"`}},
		"another host name":   {"http://a.example.com {\ncallgate" + deliver + "}", []string{others}},
		"other hosts end":     {"http://a.example.com {\ncallgate" + deliver + "}\nhttp:// {\nrespond 404\n}", nil},
		"of some paths":       {"http://a.example.com {\ncallgate" + deliver + "}\nhttp:// {\nrespond /x 404\n}", []string{others}},
		"behind a proxy":      {"http://a.example.com:8080 {\nbind 127.0.0.1\ncallgate" + deliver + "}", []string{others + `*127.0.0.1:8080`}},
		"only headers":        {"http:// {\ncallgate /a" + deliver + "handle {\nheader X y\n}\n}", []string{empty}},

		"respond first":          {"http:// {\ncallgate /a nextphone s\nreverse_proxy h:1\nrespond 404\n}", []string{hidden + `*"never_reached":"reverse_proxy"`}},
		"respond first, in it":   {"hooks.example.com {\nhandle /a {\ncallgate nextphone s\nreverse_proxy h:1\nrespond 404\n}\nhandle {\nrespond 404\n}\n}", []string{hidden}},
		"a handle first":         {"http:// {\ncallgate /a nextphone s\nreverse_proxy /a h:1\nhandle {\nrespond 404\n}\n}", []string{hidden}},
		"respond to some":        {"http:// {\ncallgate /a nextphone s\nreverse_proxy h:1\nrespond /b 404\n}", nil},
		"respond before it":      {"http:// {\nroute {\nrespond ok\ncallgate nextphone s\nreverse_proxy h:1\n}\n}", []string{hidden}},
		"nothing after it":       {"http:// {\ncallgate nextphone s\n}", []string{lonely}},
		"an error after it":      {"http:// {\ncallgate /a nextphone s\nhandle {\nrespond 404\n}\n}", []string{lonely}},
		"forward":                {"http:// {\ncallgate nextphone s {\nforward h:1\n}\n}", nil},
		"forward of some":        {"http:// {\ncallgate /a nextphone s {\nforward h:1\n}\nreverse_proxy h:2\n}", nil},
		"forward, and a proxy":   {"http:// {\ncallgate nextphone s {\nforward h:1\n}\nreverse_proxy h:2\n}", []string{"with forward answers every request*" + hidden + `*"never_reached":"reverse_proxy"`}},
		"forward in a handle":    {"http:// {\nhandle /a {\ncallgate nextphone s {\nforward h:1\n}\nreverse_proxy h:2\n}\nhandle {\nrespond 404\n}\n}", []string{"with forward*" + hidden}},
		"handles that forward":   {"http:// {\nhandle /a {\ncallgate nextphone s {\nforward h:1\n}\n}\nhandle {\nreverse_proxy h:2\n}\n}", nil},
		"test mode":              {"http:// {\ncallgate nextphone s {\ntest\n}\n}", nil},
		"in another handle":      {"http:// {\nhandle /a {\ncallgate nextphone s\n}\nhandle {\nreverse_proxy h:1\n}\n}", []string{lonely}},
		"after the handle block": {"http:// {\nroute /a {\ncallgate nextphone s\n}\nreverse_proxy h:1\n}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := warnings(t, global+c.config)
			if err != nil {
				t.Fatal(err)
			}
			ok := len(got) == len(c.want)
			for i, w := range c.want {
				for part := range strings.SplitSeq(w, "*") {
					ok = ok && strings.Contains(got[i], part)
				}
			}
			if !ok {
				t.Errorf("warnings %q\nwant %q", got, c.want)
			}
		})
	}
}

// A tenant that delivers nowhere, on a route that delivers for the others, is found by its name.
func TestATenantThatDeliversNowhereWarns(t *testing.T) {
	const config = `{
	callgate {
		destination crm http https://crm.example {
			pass_through
		}
		tenant acme {
			secret a
			deliver crm
		}
		tenant borg {
			secret b
		}
	}
}
http:// {
	callgate nextphone {
		tenant {path.0}
	}
	%s
}`
	got, err := warnings(t, fmt.Sprintf(config, ""))
	if err != nil || len(got) != 1 || !strings.Contains(got[0], "nothing is delivered") || !strings.Contains(got[0], `"tenant":"borg"`) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err = warnings(t, fmt.Sprintf(config, "reverse_proxy h:1")); err != nil || len(got) != 0 {
		t.Errorf("with a receiver: %q, %v", got, err)
	}
}
