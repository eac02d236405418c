// Package vectors runs files of signature test vectors: messages with their keys, and whether they are valid. It
// serves "callgate verify --vectors" and the tests.
package vectors

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

// ErrFile: the file is not an array of cases.
var ErrFile = errors.New("not a file of signature vectors")

// Outcome is what came of a case.
type Outcome struct {
	// Name and Scheme are those of the case.
	Name, Scheme string
	// Want says whether the file calls the message valid, Got whether it was accepted.
	Want, Got bool
	// Advisory is set where the file says that a stricter verifier may differ.
	Advisory bool
	// Detail is why the message was refused, or which form or key matched.
	Detail string
}

// OK reports whether the outcome is as wanted, or, where the case is advisory, stricter.
func (o Outcome) OK() bool { return o.Want == o.Got || o.Advisory && !o.Got }

// testCase is one element of a file. Members that are not named here are comments.
type testCase struct {
	Name       string                     `json:"name"`
	Scheme     string                     `json:"scheme"`
	Secret     texts                      `json:"secret"`
	Secrets    texts                      `json:"secrets"`
	PublicKey  texts                      `json:"public_key"`
	PublicKeys texts                      `json:"public_keys"`
	Method     string                     `json:"method"`
	URL        string                     `json:"url"`
	Headers    map[string]texts           `json:"headers"`
	Body       string                     `json:"body"`
	BodyBase64 *string                    `json:"body_base64"`
	Now        float64                    `json:"now"`
	Options    map[string]json.RawMessage `json:"options"`
	Valid      bool                       `json:"valid"`
	Advisory   bool                       `json:"advisory"`
}

// texts is a string or an array of strings; null is none.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*t = make(texts, 1)
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// Run reads a file, a JSON array of cases, and checks each at its own time. A case whose configuration is refused
// counts as one whose message is. The error wraps ErrFile, or is the reader's.
func Run(r io.Reader) ([]Outcome, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var cases []testCase
	if err := json.Unmarshal(b, &cases); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	out := make([]Outcome, len(cases))
	for i := range cases {
		out[i] = cases[i].run()
	}
	return out, nil
}

func (c *testCase) run() Outcome {
	o := Outcome{Name: c.Name, Scheme: c.Scheme, Want: c.Valid, Advisory: c.Advisory}
	r, err := c.verify()
	if err != nil {
		o.Detail = err.Error()
		return o
	}
	o.Got, o.Detail = true, "matched"
	if r.Form != "" {
		o.Detail += " the " + r.Form + " body"
	}
	o.Detail += fmt.Sprintf(" with key %d", r.Secret+1)
	return o
}

func (c *testCase) verify() (signature.Result, error) {
	cfg, err := c.config()
	if err != nil {
		return signature.Result{}, err
	}
	v, err := signature.New(cfg)
	if err != nil {
		return signature.Result{}, err
	}
	m := &signature.Message{Method: c.Method, URL: c.URL, Header: make(http.Header), Body: []byte(c.Body)}
	if c.BodyBase64 != nil {
		if m.Body, err = base64.StdEncoding.DecodeString(*c.BodyBase64); err != nil {
			return signature.Result{}, fmt.Errorf("%w: body_base64 is not base64", ErrFile)
		}
	}
	for name, values := range c.Headers {
		for _, v := range values {
			m.Header.Add(name, v)
		}
	}
	sec, frac := math.Modf(c.Now)
	return v.Verify(m, time.Unix(int64(sec), int64(frac*1e9)))
}

func (c *testCase) config() (signature.Config, error) {
	cfg := signature.Config{
		Scheme:     strings.ToLower(c.Scheme),
		Secrets:    append(c.Secret, c.Secrets...),
		PublicKeys: append(c.PublicKey, c.PublicKeys...),
	}
	return cfg, c.options(&cfg)
}
