package outbound

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
)

const (
	fault11 = `<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault>` +
		`<faultcode>soap:CODE</faultcode><faultstring>Mike is unknown</faultstring></soap:Fault></soap:Body></soap:Envelope>`
	fault12 = `<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Header/><env:Body><env:Fault><env:Code>` +
		`<env:Value>env:CODE</env:Value></env:Code><env:Reason><env:Text xml:lang="en">Mike</env:Text></env:Reason></env:Fault></env:Body></env:Envelope>`
	login = "<!-- proxy -->\n<!DOCTYPE html>\n<html><title>Sign in</title></html>"
)

func TestConfirm(t *testing.T) {
	ok, err := condition.CompileSuccess(`body.success`)
	if err != nil {
		t.Fatal(err)
	}
	always, err := condition.CompileSuccess(`true`)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := condition.CompileSuccess(`int(body.success) == 1`)
	if err != nil {
		t.Fatal(err)
	}
	type result = destination.Result
	taken := result{Outcome: destination.Delivered}
	for name, c := range map[string]struct {
		body   string
		expect Expect
		want   result
		reason string
	}{
		"anything":             {`created`, Expect{}, taken, ""},
		"nothing":              {``, Expect{}, taken, ""},
		"a client's fault":     {strings.Replace(fault11, "CODE", "Client", 1), Expect{}, result{Outcome: destination.Dead}, "200 with a SOAP fault (Client)"},
		"a client's, closer":   {strings.Replace(fault11, "CODE", "Client.Authentication", 1), Expect{}, result{Outcome: destination.Dead}, "(Client)"},
		"a sender's fault":     {strings.Replace(fault12, "CODE", "Sender", 1), Expect{}, result{Outcome: destination.Dead}, "(Sender)"},
		"a server's fault":     {strings.Replace(fault11, "CODE", "Server", 1), Expect{}, result{Unhealthy: true}, "(Server): the receiver failed"},
		"a receiver's fault":   {strings.Replace(fault12, "CODE", "Receiver", 1), Expect{}, result{Unhealthy: true}, "(Receiver)"},
		"a fault of no kind":   {`<Envelope><Body><Fault/></Body></Envelope>`, Expect{}, result{Unhealthy: true}, "SOAP fault: the receiver failed"},
		"a fault that is fine": {strings.Replace(fault11, "CODE", "Client", 1), Expect{Plain: true}, taken, ""},
		"an envelope":          {`<s:Envelope xmlns:s="x"><s:Body><Default/><r>no Fault</r></s:Body></s:Envelope>`, Expect{}, taken, ""},
		"a fault in JSON":      {`{"Envelope":{"Body":{"Fault":{}}}}`, Expect{}, taken, ""},
		"a login page":         {login, Expect{}, result{Astray: true}, "web page"},
		"a bare page":          {"\xef\xbb\xbf<HTML lang=en>", Expect{}, result{Astray: true}, "web page"},
		"a page for a form":    {login, Expect{Pages: true}, taken, ""},
		"a page that is fine":  {login, Expect{Plain: true}, taken, ""},
		"other XML":            {`<htmlish/>`, Expect{}, taken, ""},
		"met":                  {`{"success":true}`, Expect{Condition: ok}, taken, ""},
		"not met":              {`{"success":false,"name":"Mike"}`, Expect{Condition: ok}, result{}, "does not meet the condition"},
		"a page, though met":   {login, Expect{Condition: always}, result{Astray: true}, "web page"},
		"not to be told":       {`{"success":"Mike"}`, Expect{Condition: broken}, result{}, "could not be told"},
	} {
		got := Confirm(t.Context(), &Answer{Status: 200, Body: []byte(c.body)}, c.expect)
		if got.Outcome != c.want.Outcome || got.Astray != c.want.Astray || got.Unhealthy != c.want.Unhealthy ||
			!strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") || strings.Contains(got.Reason, "Mike") {
			t.Errorf("%s: %+v, want %+v and %q", name, got, c.want, c.reason)
		}
		if got.Status != 200 || string(got.Excerpt) != c.body {
			t.Errorf("%s: status %d, excerpt %q", name, got.Status, got.Excerpt)
		}
	}
	got := Confirm(t.Context(), &Answer{Status: 200, Body: []byte(`{"success":true`), Truncated: true}, Expect{Condition: always})
	if got.Outcome != destination.Retry || !strings.Contains(got.Reason, "cut off") {
		t.Errorf("an answer that was cut: %+v", got)
	}
	if got := Confirm(t.Context(), &Answer{Status: 200, Truncated: true}, Expect{}); got.Outcome != destination.Delivered {
		t.Errorf("an answer that was cut and is not asked for: %+v", got)
	}
}

func FuzzConfirm(f *testing.F) {
	for _, s := range []string{fault11, fault12, login, "<!--", "<!-- -->", `<Envelope><Body><Fault><faultcode a="1">x:y</faultcode></Fault></Body></Envelope>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := Confirm(t.Context(), &Answer{Status: 200, Body: body}, Expect{})
		if (r.Outcome == destination.Delivered) != (r.Reason == "") || strings.ContainsAny(r.Reason, "\r\n<>") {
			t.Fatalf("%+v", r)
		}
	})
}
