package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
)

func TestClassifyFollowsTheDeliveryRules(t *testing.T) {
	want := map[destination.Outcome][]int{
		destination.Delivered: {200, 201, 202, 204, 207, 299},
		destination.Retry: {
			0, 100, 199, 300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 407, 408, 410, 421, 423, 425, 426, 429, 451, 477,
			500, 501, 502, 503, 504, 511, 521, 599, 999,
		},
		destination.Dead: {400, 406, 409, 412, 413, 414, 415, 422, 424, 476, 478, 499},
	}
	for outcome, statuses := range want {
		for _, s := range statuses {
			if got := Classify(s); got != outcome {
				t.Errorf("Classify(%d) = %v, want %v", s, got, outcome)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		" 7 ":                            7 * time.Second,
		"1.5":                            2 * time.Second,
		"2.0":                            2 * time.Second,
		"-5":                             0,
		"1e9":                            0,
		"soon":                           0,
		"99999999999999999999999":        maxRetryAfter,
		"86400":                          24 * time.Hour,
		"Fri, 02 Jan 2026 03:05:05 GMT":  time.Minute,
		"Friday, 02-Jan-26 03:05:05 GMT": time.Minute,
		"Fri, 02 Jan 2026 03:00:00 GMT":  0,
		"Sat, 02 Jan 2027 03:00:00 GMT":  maxRetryAfter,
	} {
		h := http.Header{}
		if value != "" {
			h.Set("Retry-After", value)
		}
		if got := RetryAfter(h, now); got != want {
			t.Errorf("RetryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "Fri, 02 Jan 2026 03:05:05 GMT", "1.5", "-1", "9e9", "٣"} {
		f.Add(s, int64(1767323045))
	}
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		d := RetryAfter(http.Header{"Retry-After": {value}}, time.Unix(unix, 0))
		if d < 0 || d > maxRetryAfter {
			t.Fatalf("RetryAfter(%q) = %v", value, d)
		}
	})
}

func TestResultFromAnswers(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	retry := http.Header{"Retry-After": {"30"}}
	for _, c := range []struct {
		status int
		header http.Header
		want   destination.Result
		reason string
	}{
		{200, retry, destination.Result{Outcome: destination.Delivered}, ""},
		{429, retry, destination.Result{RetryAfter: 30 * time.Second}, "limits our rate"},
		{503, retry, destination.Result{RetryAfter: 30 * time.Second, Unhealthy: true}, "503"},
		{400, retry, destination.Result{Outcome: destination.Dead}, "400 Bad Request"},
		{401, nil, destination.Result{Pause: true}, "credentials"},
		{403, nil, destination.Result{Astray: true}, "permissions"},
		{404, nil, destination.Result{Astray: true}, "nothing at the URL"},
		{405, nil, destination.Result{Astray: true}, "check URL, method"},
		{501, nil, destination.Result{Astray: true}, "check URL, method"},
		{410, nil, destination.Result{Pause: true}, "gone"},
		{308, http.Header{"Location": {"https://new.example/private?x=1"}}, destination.Result{Astray: true}, "(https://new.example…)"},
		{477, nil, destination.Result{}, "477"},
	} {
		got := ResultFrom(&Answer{Status: c.status, Header: c.header, Body: []byte(strings.Repeat("x", 5000))}, nil, now)
		if len(got.Excerpt) != MaxExcerpt || got.Status != c.status {
			t.Errorf("%d: excerpt of %d bytes, status %d", c.status, len(got.Excerpt), got.Status)
		}
		if !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
			t.Errorf("%d: reason %q, want it to hold %q", c.status, got.Reason, c.reason)
		}
		if strings.Contains(got.Reason, "private") {
			t.Errorf("%d: the reason quotes a path: %q", c.status, got.Reason)
		}
		if got.Outcome != c.want.Outcome || got.RetryAfter != c.want.RetryAfter || got.Pause != c.want.Pause || got.Unhealthy != c.want.Unhealthy || got.Astray != c.want.Astray {
			got.Excerpt = nil
			t.Errorf("%d: %+v, want %+v", c.status, got, c.want)
		}
	}
}

func TestResultFromErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err              error
		pause, unhealthy bool
	}{
		"refused":           {&Error{Kind: Refused, text: "x"}, false, true},
		"stopped":           {&Error{Kind: Stopped, text: "x"}, false, false},
		"token refused":     {&TokenError{Refused: true, text: "x"}, true, false},
		"token server down": {&TokenError{Status: 503, text: "x"}, false, true},
		"stopped at token":  {&TokenError{text: "x", cause: &Error{Kind: Stopped}}, false, false},
		"own":               {errors.New("x"), false, false},
	} {
		got := ResultFrom(nil, c.err, time.Now())
		if got.Outcome != destination.Retry || got.Pause != c.pause || got.Unhealthy != c.unhealthy || got.Reason == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What kept a request from an answer tells whose failure it is: the receiver's, the road's, or the gateway's own.
func TestResultFromFailures(t *testing.T) {
	type result = destination.Result
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://crm.example/x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}}
	}
	lookup := func(e net.DNSError) error { return &net.OpError{Op: "dial", Net: "tcp", Err: &e} }
	expired := &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
	for name, c := range map[string]struct {
		err    error
		want   result
		reason string
	}{
		"refused":        {dial(syscall.ECONNREFUSED), result{Unhealthy: true, Unsent: true}, "is the receiver running"},
		"reset":          {dial(syscall.ECONNRESET), result{Unhealthy: true}, "closed the connection"},
		"timeout":        {context.DeadlineExceeded, result{Unhealthy: true}, "no answer in time"},
		"descriptors":    {dial(syscall.EMFILE), result{Own: true, Unsent: true}, "LimitNOFILE"},
		"all of them":    {dial(syscall.ENFILE), result{Own: true, Unsent: true}, "LimitNOFILE"},
		"memory":         {dial(syscall.ENOMEM), result{Own: true, Unsent: true}, "memory"},
		"buffers":        {dial(syscall.ENOBUFS), result{Own: true, Unsent: true}, "memory"},
		"ports":          {dial(syscall.EADDRNOTAVAIL), result{Own: true, Unsent: true}, "port"},
		"no route":       {dial(syscall.EHOSTUNREACH), result{Own: true, Unsent: true}, "no route"},
		"no network":     {dial(syscall.ENETUNREACH), result{Own: true, Unsent: true}, "no route"},
		"name server":    {lookup(net.DNSError{Err: "server misbehaving", Name: "crm.example", IsTemporary: true}), result{Own: true, Unsent: true}, "name server"},
		"slow name":      {lookup(net.DNSError{Err: "i/o timeout", Name: "crm.example", IsTimeout: true}), result{Own: true, Unsent: true}, "name server"},
		"no descriptor":  {lookup(net.DNSError{Err: "dial udp: socket: too many open files", Name: "crm.example"}), result{Own: true, Unsent: true}, "LimitNOFILE"},
		"no such name":   {lookup(net.DNSError{Err: "no such host", Name: "crm.example", IsNotFound: true}), result{Astray: true, Unsent: true}, "does not exist"},
		"expired":        {expired, result{Astray: true, Unsent: true}, "expired"},
		"other name":     {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, result{Astray: true, Unsent: true}, "another name"},
		"fence":          {ErrFenced, result{Astray: true, Unsent: true}, "secret"},
		"address":        {ErrAddressRefused, result{Astray: true, Unsent: true}, "private"},
		"something else": {errors.New("strange"), result{Unhealthy: true}, "failed"},
	} {
		e := explain(t.Context(), c.err, "crm.example:443")
		for _, err := range []error{e, &TokenError{text: "no access token: " + e.text, cause: e}} {
			got := ResultFrom(nil, err, time.Now())
			if !strings.Contains(got.Reason, c.reason) || strings.Contains(got.Reason, "/x") {
				t.Errorf("%s: reason %q, want it to hold %q", name, got.Reason, c.reason)
			}
			got.Reason = ""
			want := c.want
			if _, token := err.(*TokenError); token {
				want.Unsent = true // the call itself was not sent
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	}
}

// An error that hides what it wraps, as that of Caddy's proxy does, is told by its text.
func TestOwnTroubleInDisguise(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	for _, err := range []error{dial, struct{ error }{dial}, fmt.Errorf("HTTP 502: %w", struct{ error }{dial})} {
		if reason, own := OwnTrouble(err); !own || !strings.Contains(reason, "LimitNOFILE") {
			t.Errorf("%v: %q, %v", err, reason, own)
		}
	}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, err := range []error{refused, struct{ error }{refused}, errors.New("the receiver says: too many open files, sorry")} {
		if reason, own := OwnTrouble(err); own {
			t.Errorf("%v: %q", err, reason)
		}
	}
}

func TestStampHeaders(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	h := http.Header{}
	StampHeaders(h, destination.Item{DeliveryID: "dlv_1", Attempt: 3, Traceparent: trace})
	for name, want := range map[string]string{
		"webhook-id": "dlv_1", "Idempotency-Key": "dlv_1", AttemptHeader: "3", "traceparent": trace, "User-Agent": UserAgent,
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	h = http.Header{"Idempotency-Key": {"own"}, "User-Agent": {"own"}}
	StampHeaders(h, destination.Item{DeliveryID: "dlv_1"})
	if h.Get("Idempotency-Key") != "own" || h.Get("User-Agent") != "own" || h.Get(AttemptHeader) != "" {
		t.Errorf("headers of one's own were replaced: %v", h)
	}
	for _, bad := range []string{
		"", "x", trace + "x", "ff" + trace[2:], strings.ToUpper(trace), strings.Replace(trace, "-", "_", 1),
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		trace[:54] + "\n", trace + "-more",
	} {
		h := http.Header{}
		StampHeaders(h, destination.Item{Traceparent: bad})
		if h.Get("Traceparent") != "" {
			t.Errorf("passed on %q", bad)
		}
	}
	h = http.Header{}
	later := "01" + trace[2:] + "-00ab"
	StampHeaders(h, destination.Item{Traceparent: later})
	if h.Get("Traceparent") != later {
		t.Error("a later version was not passed on")
	}
}

func TestMasking(t *testing.T) {
	h := http.Header{
		"Authorization": {"Bearer abc"}, "X-Api-Key": {"abc"}, "Cookie": {"a=abc"}, "Idempotency-Key": {"dlv"},
		"Content-Type": {"text/xml"}, "Webhook-Signature": {"v1,abc"},
	}
	MaskSecrets(h)
	for name, v := range h {
		if strings.Contains(v[0], "abc") {
			t.Errorf("%s shows its secret", name)
		}
	}
	if h.Get("Authorization") != "Bearer ***" || h.Get("Idempotency-Key") != "dlv" || h.Get("Content-Type") != "text/xml" {
		t.Errorf("masked too much: %v", h)
	}
	got := MaskURL("https://x.example/p?api_key=abc&q=1&%74oken=abc&z%zz=abc#f")
	if got != "https://x.example/p?api_key=***&q=1&%74oken=***&z%zz=***#f" {
		t.Error(got)
	}
	if got := MaskURL("https://x.example/p"); got != "https://x.example/p" {
		t.Error(got)
	}
}
