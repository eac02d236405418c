package signature_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

func Example() {
	sender, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{"old-secret"}, Forms: []string{"js"}})
	if err != nil {
		panic(err)
	}
	m := &signature.Message{Method: http.MethodPost, Body: []byte(`{"lead": {"budget": 15000.00}}`)}
	if err := sender.Sign(m, "", time.Now()); err != nil {
		panic(err)
	}

	receiver, err := signature.New(signature.Config{Scheme: "nextphone", Secrets: []string{"new-secret", "old-secret"}})
	if err != nil {
		panic(err)
	}
	r, err := receiver.Verify(m, time.Now())
	fmt.Println(r.Form, r.Secret, err)

	m.Header.Del("X-Nextphone-Signature")
	_, err = receiver.Verify(m, time.Now())
	fmt.Println(err)
	// Output:
	// js 1 <nil>
	// signature missing: header X-Nextphone-Signature is missing; check that the sender is configured to sign
}
