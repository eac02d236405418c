package outbound

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
)

// Expect says what an answer must look like to be a success, beyond its status.
type Expect struct {
	// Condition, if set, must hold.
	Condition *condition.Success
	// Plain takes a SOAP fault or a web page for a success if its status is one. By default they are what they look like.
	Plain bool
	// Pages tells that the receiver may well answer with a web page, as one that takes forms does.
	Pages bool
}

// Confirm is the result of an answer whose status is a success: delivered, unless the body says otherwise. A SOAP fault
// is the call's or the receiver's fault, as its code says. A web page is none of an API's: it may be the login of
// somebody else, or of a proxy, so that the call is astray. An answer that does not meet the condition, or was cut off so
// that it cannot be judged, is no success, and the call is sent again.
func Confirm(ctx context.Context, a *Answer, e Expect) destination.Result {
	r := destination.Result{Outcome: destination.Delivered, Status: a.Status, Excerpt: excerpt(a.Body)}
	if !e.Plain {
		if code, fault := soapFault(a.Body); fault {
			r.Reason = strconv.Itoa(a.Status) + " with a SOAP fault"
			if code != "" {
				r.Reason += " (" + code + ")"
			}
			if r.Outcome = destination.Dead; !strings.HasPrefix(code, "Client") && !strings.HasPrefix(code, "Sender") {
				r.Outcome, r.Unhealthy = destination.Retry, true
				r.Reason += ": the receiver failed"
				return r
			}
			r.Reason += ": the receiver does not accept the request as it is; compare it with a preview"
			return r
		}
		if !e.Pages && webPage(a.Body) {
			r.Outcome, r.Astray = destination.Retry, true
			r.Reason = strconv.Itoa(a.Status) + " with a web page: that is not what takes calls; check the URL, the login and the proxies before it, or say that pages are a success"
			return r
		}
	}
	if e.Condition == nil {
		return r
	}
	status := strconv.Itoa(a.Status)
	ok, err := e.Condition.Eval(ctx, condition.Answer{Status: a.Status, Header: a.Header, Body: a.Body})
	switch {
	case a.Truncated:
		r.Outcome, r.Reason = destination.Retry, status+", and the answer was cut off: whether it means success is not known, another attempt follows"
	case err != nil:
		r.Outcome, r.Reason = destination.Retry, status+", and whether it means success could not be told: "+err.Error()
	case !ok:
		r.Outcome, r.Reason = destination.Retry, status+", but the answer does not meet the condition for success; keep excerpts to see what it says"
	}
	return r
}

// excerpt is the beginning of a body, and a copy of it where a megabyte would be kept for its beginning.
func excerpt(body []byte) []byte {
	n := min(len(body), MaxExcerpt)
	if cap(body) <= 2*MaxExcerpt {
		return body[:n:n]
	}
	return bytes.Clone(body[:n])
}

// webPage reports whether a body is an HTML document. What is only declared as one is not: many a script that answers
// "OK" does not say of what kind that is.
func webPage(body []byte) bool {
	body = bytes.TrimSpace(bytes.TrimPrefix(body[:min(len(body), 1024)], []byte("\xef\xbb\xbf")))
	for {
		rest, comment := bytes.CutPrefix(body, []byte("<!--"))
		if !comment {
			break
		}
		_, after, _ := bytes.Cut(rest, []byte("-->"))
		body = bytes.TrimSpace(after)
	}
	if len(body) == 0 || body[0] != '<' {
		return false
	}
	start := strings.ToLower(string(body[:min(len(body), 15)]))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html>") || strings.HasPrefix(start, "<html ")
}

// soapFault reports whether a body is an envelope with a fault of SOAP 1.1 or 1.2, and gives its code without a prefix if
// it is one that can be shown.
func soapFault(body []byte) (code string, fault bool) {
	if !bytes.Contains(body, []byte("Envelope")) || !bytes.Contains(body, []byte("Fault")) {
		return "", false
	}
	at := condition.ReadBody(body)
	for _, name := range [...]string{"Envelope", "Body", "Fault"} {
		parent, _ := at.(map[string]any)
		if at, fault = parent[name]; !fault {
			return "", false
		}
	}
	if bytes.TrimSpace(body)[0] == '{' {
		return "", false // a JSON object that looks like one
	}
	f, _ := at.(map[string]any)
	value, ok := f["faultcode"]
	if !ok {
		c, _ := f["Code"].(map[string]any)
		value = c["Value"]
	}
	if m, ok := value.(map[string]any); ok {
		value = m["#text"] // it declares its namespace itself, or has another attribute
	}
	text, _ := value.(string)
	if _, local, ok := strings.Cut(text, ":"); ok {
		text = local
	}
	text, _, _ = strings.Cut(text, ".") // Client.Authentication
	return tame(strings.TrimSpace(text)), true
}
