package pages

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// tokens seal what has to stand in an address and must not be read there: a caller's number that is searched for, and what a
// page is to say of what was just done, which nobody else may make it say. They are good for the actor to whom they were
// given, for a time: at each gateway that shares the store, which is what the store's keys are for, or where there are none in
// this process.
type tokens struct {
	aead cipher.AEAD
	now  func() time.Time
	// service is who has the store's keys; an error if there is nothing to operate.
	service func() (*operate.Service, error)
}

// processKey is random: it outlives configurations, so that a search goes on over a reload, and no restart.
var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return key
})

func newTokens(now func() time.Time, service func() (*operate.Service, error)) *tokens {
	block, err := aes.NewCipher(processKey())
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &tokens{aead, now, service}
}

// The kinds of tokens: one of a kind is none of another.
const (
	tokenNote   = "note"
	tokenSearch = "search"
)

type sealed struct {
	Until int64           `json:"u"`
	Value json.RawMessage `json:"v"`
}

func bindTo(kind string, a operate.Actor) string {
	return kind + "\x00" + a.Via + "\x00" + a.Name
}

// seal makes a token of a value.
func (t *tokens) seal(kind string, a operate.Actor, value any, keep time.Duration) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	if text, err = json.Marshal(sealed{t.now().Add(keep).Unix(), text}); err != nil {
		return "", err
	}
	to := bindTo(kind, a)
	var token []byte
	if s, err := t.service(); err == nil {
		token = operate.SealToken(s, to, text)
	}
	if token == nil {
		token = t.aead.Seal(nil, nil, text, []byte(to))
	}
	return base64.RawURLEncoding.EncodeToString(token), nil
}

var errToken = errors.New("the token is none, too old, or somebody else's")

// open reads a token.
func (t *tokens) open(kind string, a operate.Actor, token string, into any) error {
	sealedText, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return errToken
	}
	to := bindTo(kind, a)
	var text []byte
	if s, err := t.service(); err == nil {
		text = operate.OpenToken(s, to, sealedText)
	}
	if text == nil {
		if text, err = t.aead.Open(nil, nil, sealedText, []byte(to)); err != nil {
			return errToken
		}
	}
	var s sealed
	if json.Unmarshal(text, &s) != nil || t.now().Unix() > s.Until || json.Unmarshal(s.Value, into) != nil {
		return errToken
	}
	return nil
}

// note is what a page says of what was just done.
type note struct {
	Text string `json:"t"`
	// Failed tells that it was not done.
	Failed bool `json:"f,omitempty"`
}

// noteKept is for how long: a page that is loaded again later says nothing of what was done before.
const noteKept = time.Minute

// done answers a form that was carried out: the page at an address of the dashboard says so.
func (q *request) done(to, text string) error {
	token, err := q.ui.tokens.seal(tokenNote, q.actor, note{Text: text}, noteKept)
	if err != nil {
		return err
	}
	return q.redirect(addQuery(to, "note", token))
}

// noted is what the page is to say of what was just done.
func (q *request) noted() *note {
	token := q.r.URL.Query().Get("note")
	if token == "" {
		return nil
	}
	n := new(note)
	if q.ui.tokens.open(tokenNote, q.actor, token, n) != nil {
		return nil
	}
	return n
}
