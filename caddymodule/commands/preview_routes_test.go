package commands

import (
	"strings"
	"testing"
)

const routedConfig = `{
	callgate {
		tenant acme {
			secret s3cret
			vars {
				owner_name "ABC Plumbing"
			}
		}
		tenant beta {
			secret s3cret
			deliver log
		}
		destination crm http {
			url https://crm.example/leads
			content_type application/xml
			body "<Lead><Name>{{first_name}}</Name><Owner>{{owner_name}} {{website}}</Owner></Lead>"
		}
		destination oncall http {
			url https://oncall.example
			pass_through
		}
		destination notes http {
			url https://notes.example
			pass_through
			on note_*
		}
		destination log http {
			url https://log.example
			pass_through
		}
	}
}
http:// {
	handle /hook/* {
		callgate nextphone {
			name hook
			tenant {path.1}
			vars {
				website https://abc.example
			}
			deliver crm
			deliver oncall ` + "`call.urgent`" + `
			deliver oncall ` + "`tenant == \"beta\"`" + `
			deliver notes
		}
		reverse_proxy localhost:1
	}
	handle /other/* {
		callgate vapi s3cret {
			name other
		}
		reverse_proxy localhost:1
	}
	handle /again/* {
		callgate vapi s3cret {
			name again
			deliver log
		}
	}
}`

// TestPreviewShowsWhereACallWouldGo: without destinations it is the whole set of route and tenant, and why not.
func TestPreviewShowsWhereACallWouldGo(t *testing.T) {
	caddyfile := write(t, "Caddyfile", routedConfig)
	const lead = `{"lead":{"first_name":"Mike & <M>","phone":"+15559876543","notes":"<b>a quote</b>"}}`
	p, out, err := previewOf(t, lead, "--source", "nextphone", "-t", "acme", "-c", caddyfile, "-")
	if err != nil || len(p.Deliveries) != 3 || p.Nothing != "" {
		t.Fatalf("%v\n%s", err, out)
	}
	crm, oncall, notes := p.Deliveries[0], p.Deliveries[1], p.Deliveries[2]
	const xml = "<Lead><Name>Mike &amp; &lt;M&gt;</Name><Owner>ABC Plumbing https://abc.example</Owner></Lead>"
	if len(crm.Requests) != 1 || crm.Requests[0].Body != xml || !strings.Contains(out, xml) || strings.Contains(out, `\u003c`) {
		t.Errorf("%s", out)
	}
	if oncall.Skipped != `its condition is not met: call.urgent; its condition is not met: tenant == "beta"` || len(oncall.Requests) != 0 {
		t.Errorf("%+v", oncall)
	}
	if !strings.Contains(notes.Skipped, "note_* only") {
		t.Errorf("%+v", notes)
	}
	// An urgent call goes where the first of two lines sends it, and a tenant's own deliver line counts before the route's.
	if p, out, err := previewOf(t, `{"lead":{"phone":"+15559876543","notes":"an EMERGENCY"}}`, "--source", "nextphone", "-t", "acme", "-c", caddyfile, "-"); err != nil || p.Deliveries[1].Skipped != "" || len(p.Deliveries[1].Requests) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	if p, out, err := previewOf(t, lead, "--source", "nextphone", "-t", "beta", "-c", caddyfile, "-"); err != nil || len(p.Deliveries) != 1 || p.Deliveries[0].Destination != "log" {
		t.Errorf("%v\n%s", err, out)
	}
	// What is named is shown whatever the conditions say.
	if p, out, err := previewOf(t, lead, "--source", "nextphone", "-t", "acme", "-d", "oncall", "-c", caddyfile, "-"); err != nil || len(p.Deliveries) != 1 || len(p.Deliveries[0].Requests) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPreviewSaysWhyNothingWouldBeDelivered(t *testing.T) {
	caddyfile := write(t, "Caddyfile", routedConfig)
	const ended = `{"message":{"type":"end-of-call-report","call":{"id":"c-1"}}}`
	const toolCall = `{"message":{"type":"tool-calls","call":{"id":"c-1"},"toolCallList":[]}}`
	for name, tt := range map[string]struct {
		payload string
		args    []string
		nothing string
	}{
		"no deliver line": {ended, []string{"--source", "vapi", "--route", "other"}, "has a deliver line"},
		"delivered":       {ended, []string{"--source", "vapi", "--route", "again"}, ""},
		"synchronous":     {toolCall, []string{"--source", "vapi", "--route", "again"}, "waits for what the answer says"},
		"no route":        {`{"event":"call_ended","call":{}}`, []string{"--source", "retell"}, `no route for the source "retell"`},
	} {
		p, out, err := previewOf(t, tt.payload, append(tt.args, "-c", caddyfile, "-")...)
		if err != nil || (p.Nothing == "") != (tt.nothing == "") || !strings.Contains(p.Nothing, tt.nothing) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	for says, args := range map[string][]string{
		"name one of them: again, other":         {"--source", "vapi"},
		"no route \"x\" for the source \"vapi\"": {"--source", "vapi", "--route", "x"},
		"no route for the source \"retell\"":     {"--source", "retell", "--route", "x"},
	} {
		if _, out, err := previewOf(t, ended, append(args, "-c", caddyfile, "-")...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if p, out, err := previewOf(t, ended, "--source", "vapi", "-"); err != nil || p.Nothing != "" {
		t.Errorf("without a configuration: %v\n%s", err, out)
	}
}

// TestPreviewOfARunningGateway asks the gateway what it would do with a payload: the same as with its configuration, also
// where that has changed since it was loaded, and nothing is stored for it.
func TestPreviewOfARunningGateway(t *testing.T) {
	g := runGatewayWith(t, strings.NewReplacer("\tcallgate {\n", "\tcallgate {\n\t\tstore sqlite STORE\n", "http:// {\n", "http:// {\n\tbind SOCKET\n",
		"tenant beta {\n\t\t\tsecret s3cret", "tenant beta {\n\t\t\tsecret another").Replace(routedConfig))
	const lead = `{"lead":{"first_name":"Mike","phone":"+15559876543","notes":"order 12345678901234567890"}}`
	preview := func(payload string, args ...string) (previewed, string, error) {
		t.Helper()
		return previewOf(t, payload, append(args, "--running", "--address", g.Admin, "-")...)
	}
	p, out, err := preview(lead, "--source", "nextphone", "-t", "acme")
	if err != nil || len(p.Deliveries) != 3 || p.Nothing != "" {
		t.Fatalf("%v\n%s", err, out)
	}
	const xml = "<Lead><Name>Mike</Name><Owner>ABC Plumbing https://abc.example</Owner></Lead>"
	if crm := p.Deliveries[0]; len(crm.Requests) != 1 || crm.Requests[0].Body != xml || !strings.Contains(out, xml) || p.Deliveries[1].Skipped == "" || p.Deliveries[2].Skipped == "" {
		t.Errorf("%s", out)
	}
	_, offline, err := previewOf(t, lead, "--source", "nextphone", "-t", "acme", "-c", write(t, "Caddyfile", routedConfig), "-")
	if err != nil || offline != out {
		t.Errorf("%v\nwith its configuration:\n%s\nrunning:\n%s", err, offline, out)
	}
	const toolCall = `{"message":{"type":"tool-calls","call":{"id":"c-1"},"toolCallList":[]}}`
	if p, out, err = preview(toolCall, "--source", "vapi", "--route", "again"); err != nil || !strings.Contains(p.Nothing, "waits for what the answer says") {
		t.Errorf("%v\n%s", err, out)
	}
	for says, args := range map[string][]string{
		`there is no tenant "nobody"`:                {"--source", "nextphone", "-t", "nobody"},
		`has no destination "crn"; it has crm, log,`: {"--source", "nextphone", "-d", "crn"},
		`unknown source "nextfone"`:                  {"--source", "nextfone"},
		`name one of them: again, other`:             {"--source", "vapi"},
	} {
		if _, out, err := preview(lead, args...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if out := g.must(fillEvents, "--json"); strings.Contains(out, `"id"`) {
		t.Errorf("stored: %s", out)
	}
}
