package commands

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/signature"
)

// sending is what the flags of send say.
type sending struct {
	scheme      schemeFlags
	to          string
	method      string
	contentType string
	headers     []string
	id          string
	age         time.Duration
	copies      int
	concurrent  int
	tamper      bool
	unsigned    bool
	timeout     time.Duration
	cacert      string
	insecure    bool
}

func fillSend(cmd *cobra.Command) {
	var s sending
	cmd.Use = "send FILE --to URL --scheme NAME --secret SECRET"
	cmd.Long = `Signs the body in FILE (- for standard input) as the sender would, sends it, and prints status, headers and body of
the answer. The exit status is 1 if an answer is not of the 2xx class, if there is none, or if there is nothing in it: so
Caddy answers requests that no route takes, as after a mistake in the path.

To see what the gateway does with a sender's mistakes and retries, it can send copies of the request, some at once,
a body that was changed after it was signed, a signature of some time ago, and no signature at all.`
	cmd.Example = `  callgate send lead.json --to http://localhost:8080/webhooks/demo --scheme nextphone --secret s3cret
  callgate send lead.json --to http://localhost:8080/webhooks/demo --scheme nextphone --secret s3cret --copies 10 --concurrent 10
  callgate send lead.json --to http://localhost:8080/webhooks/demo --scheme stripe --secret s3cret --age 1h`
	cmd.Args = oneArgument
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := readInput(cmd, args[0])
		if err != nil {
			return err
		}
		c, err := s.scheme.config(cmd)
		if err != nil {
			return err
		}
		return s.run(cmd, body, c)
	}
	s.scheme.add(cmd)
	s.addSending(cmd)
	for _, name := range []string{"scheme", "to"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined
		}
	}
	fl := cmd.Flags()
	fl.StringVar(&s.method, "method", http.MethodPost, "HTTP method")
	fl.StringVar(&s.contentType, "content-type", "application/json", "Content-Type of the body")
	fl.IntVarP(&s.concurrent, "concurrent", "c", 1, "how many copies at once")
}

// addSending adds the flags of all commands that send.
func (s *sending) addSending(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&s.to, "to", "", "URL to send to")
	fl.StringArrayVarP(&s.headers, "header", "H", nil, "further header; can be repeated")
	fl.StringVar(&s.id, "id", "", "id of the message, for schemes that sign one (default: a new one)")
	fl.DurationVar(&s.age, "age", 0, "how long ago the request is signed, such as 1h")
	fl.IntVarP(&s.copies, "copies", "n", 1, "how many copies of the request to send")
	fl.BoolVar(&s.tamper, "tamper", false, "change the body after signing it")
	fl.BoolVar(&s.unsigned, "unsigned", false, "send no signature")
	fl.DurationVar(&s.timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	fl.StringVar(&s.cacert, "cacert", "", "file with the certificates, in PEM, that may have signed the server's, as of Caddy's own authority (default: those that this machine trusts)")
	fl.BoolVar(&s.insecure, "insecure", false, "do not check the server's certificate")
}

func (s *sending) run(cmd *cobra.Command, body []byte, c signature.Config) error {
	if s.copies < 1 || s.concurrent < 1 {
		return fmt.Errorf("--copies and --concurrent are at least 1")
	}
	m, err := s.sign(body, c)
	if err != nil {
		return err
	}
	if s.tamper {
		m.Body = tampered(m.Body)
	}
	secure, err := s.tls()
	if err != nil {
		return err
	}
	answers := s.sendAll(cmd.Context(), m, secure)
	out := cmd.OutOrStdout()
	var t tally
	for i, a := range answers {
		if len(answers) > 1 {
			fmt.Fprintf(out, "--- copy %d of %d, %s\n", i+1, len(answers), a.took.Round(time.Microsecond))
		}
		a.print(out)
		t.count(&a)
	}
	return t.err(len(answers))
}

// tally counts the answers that are not as they should be.
type tally struct{ none, bad, nothing int }

func (t *tally) count(a *answer) {
	switch {
	case a.err != nil:
		t.none++
	case a.status/100 != 2:
		t.bad++
	case a.isNothing():
		t.nothing++
	}
}

func (t *tally) err(sent int) error {
	var wrong []string
	for _, w := range []struct {
		n    int
		what string
	}{
		{t.none, "had no answer"},
		{t.bad, "were answered with a status that is not of the 2xx class"},
		{t.nothing, "were answered with nothing: no route of callgate took them; is the path that of a route, and the host that of its site?"},
	} {
		if w.n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d of %d %s", w.n, sent, w.what))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

// tls is how the server is made sure of.
func (s *sending) tls() (*tls.Config, error) {
	if s.cacert == "" {
		return &tls.Config{InsecureSkipVerify: s.insecure}, nil
	}
	if s.insecure {
		return nil, errors.New("give either --cacert or --insecure")
	}
	text, err := os.ReadFile(s.cacert)
	if err != nil {
		return nil, fmt.Errorf("--cacert: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--cacert: %s holds no certificate in PEM", s.cacert)
	}
	return &tls.Config{RootCAs: roots}, nil
}

// sign makes the message that all copies are of.
func (s *sending) sign(body []byte, c signature.Config) (*signature.Message, error) {
	h, err := parseHeaders(s.headers)
	if err != nil {
		return nil, err
	}
	if h.Get("Content-Type") == "" && s.contentType != "" {
		h.Set("Content-Type", s.contentType)
	}
	m := &signature.Message{Method: strings.ToUpper(s.method), URL: s.to, Header: h, Body: body}
	if s.unsigned {
		return m, nil
	}
	signer, err := signature.NewSigner(c)
	if err != nil {
		return nil, err
	}
	return m, signer.Sign(m, orNew(s.id), time.Now().Add(-s.age))
}

// tampered is the body with one character changed, so that it stays what it was: JSON stays JSON.
func tampered(b []byte) []byte {
	b = slices.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		switch c := b[i]; {
		case c >= '0' && c <= '8', c >= 'a' && c <= 'y', c >= 'A' && c <= 'Y':
			b[i]++
			return b
		}
	}
	return append(b, ' ')
}

// answer is what came back for one copy.
type answer struct {
	status int
	line   string
	header http.Header
	body   []byte
	took   time.Duration
	err    error
}

// sendAll sends the copies and gives their answers in the order in which they were sent.
func (s *sending) sendAll(ctx context.Context, m *signature.Message, secure *tls.Config) []answer {
	client := &http.Client{
		Timeout:       s.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{MaxIdleConnsPerHost: s.concurrent, Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true},
	}
	defer client.CloseIdleConnections()
	answers := make([]answer, s.copies)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(s.concurrent, s.copies) {
		wg.Go(func() {
			for i := range next {
				answers[i] = sendOne(ctx, client, m)
			}
		})
	}
	for i := range answers {
		next <- i
	}
	close(next)
	wg.Wait()
	return answers
}

func sendOne(ctx context.Context, client *http.Client, m *signature.Message) (a answer) {
	began := time.Now()
	defer func() { a.took = time.Since(began) }()
	req, err := http.NewRequestWithContext(ctx, m.Method, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return answer{err: err}
	}
	req.Header = m.Header.Clone()
	res, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxInput))
	return answer{status: res.StatusCode, line: res.Proto + " " + res.Status, header: res.Header, body: body, err: err}
}

// ofServers are headers that a server, or a line for a whole site, adds to answers that nobody gave.
var ofServers = map[string]bool{
	"Alt-Svc": true, "Connection": true, "Content-Length": true, "Content-Security-Policy": true, "Date": true, "Keep-Alive": true,
	"Permissions-Policy": true, "Referrer-Policy": true, "Server": true, "Strict-Transport-Security": true,
	"Transfer-Encoding": true, "Vary": true, "X-Content-Type-Options": true, "X-Frame-Options": true,
}

// isNothing reports whether neither the gateway nor a receiver seems to have answered. The gateway's own answers are JSON,
// and what a receiver answers has at least a header of the proxy that asked it.
func (a *answer) isNothing() bool {
	if len(bytes.TrimSpace(a.body)) > 0 {
		return false
	}
	for name := range a.header {
		if !ofServers[name] {
			return false
		}
	}
	return true
}

func (a *answer) print(out io.Writer) {
	if a.err != nil {
		what := "no answer"
		if a.status != 0 {
			what = "the answer broke off"
		}
		fmt.Fprintf(out, "%s: %v\n", what, a.err)
		return
	}
	fmt.Fprintln(out, a.line)
	names := make([]string, 0, len(a.header))
	for n := range a.header {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		for _, v := range a.header[n] {
			fmt.Fprintf(out, "%s: %s\n", n, v)
		}
	}
	fmt.Fprintf(out, "\n%s\n", bytes.TrimRight(a.body, "\n"))
}
