package vectors

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// one runs a file with one case.
func one(t *testing.T, c string) Outcome {
	t.Helper()
	out, err := Run(strings.NewReader("[" + c + "]"))
	if err != nil || len(out) != 1 {
		t.Fatalf("%d outcomes, %v", len(out), err)
	}
	return out[0]
}

func TestRunReads(t *testing.T) {
	const sig = `"1eca2f4e8f3aa84cb1eb0d9df0cf4ffbb9d7b7a5ef4d1ddd65ac50d5bb7e6b4c"`
	for name, c := range map[string]struct {
		in     string
		got    bool
		detail string
	}{
		"a token, unknown members":          {`{"name":"n","scheme":"bearer","secret":"s","headers":{"authorization":"Bearer s"},"now":1.5,"valid":true,"note":{"x":[1]}}`, true, "key 1"},
		"several secrets, values as arrays": {`{"scheme":"Bearer","secrets":["a","s"],"headers":{"authorization":["Bearer s"]},"valid":true}`, true, "key 2"},
		"a header twice":                    {`{"scheme":"bearer","secret":"s","headers":{"authorization":["Bearer s","Bearer s"]}}`, false, "2 times"},
		"unknown scheme":                    {`{"scheme":"nope","secret":"s"}`, false, "no scheme"},
		"no secret":                         {`{"scheme":"nextphone"}`, false, "needs a secret"},
		"wrong":                             {`{"scheme":"nextphone","secret":"s","body":"{}","headers":{"x-nextphone-signature":` + sig + `}}`, false, "does not match"},
		"body_base64":                       {`{"scheme":"aircall","secret":"s","body_base64":"eyJ0b2tlbiI6InMifQ==","valid":true}`, true, "key 1"},
		"body_base64 is none":               {`{"scheme":"aircall","secret":"s","body_base64":"?"}`, false, "base64"},
		"own header":                        {`{"scheme":"api_key","secret":"s","headers":{"x-own":"k s"},"options":{"header":"X-Own","prefix":"k "},"valid":true}`, true, "key 1"},
		"pinned form":                       {`{"scheme":"nextphone","secret":"s","body":"{}","headers":{"x-nextphone-signature":` + sig + `},"options":{"forms":["js"]}}`, false, "js"},
		"useless tolerance":                 {`{"scheme":"nextphone","secret":"s","options":{"tolerance":300}}`, false, "no effect"},
		"options of no kind":                {`{"scheme":"stripe","secret":"s","options":{"tolerance":"soon"}}`, false, "tolerance cannot be read"},
		"generic, badly":                    {`{"scheme":"hmac","secret":"s","options":{"header":"X","algorithm":"md5"}}`, false, "md5"},
		"Vapi's own names":                  {`{"scheme":"vapi-hmac","secret":"s","options":{"algorithm":"md5"}}`, false, "md5"},
		"options without sense":             {`{"scheme":"github","secret":"s","options":{"header":"X"}}`, false, "own header"},
	} {
		o := one(t, c.in)
		if o.Got != c.got || !strings.Contains(o.Detail, c.detail) || !o.OK() {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestOK(t *testing.T) {
	for o, want := range map[Outcome]bool{
		{Want: true, Got: true}:                  true,
		{Want: true, Got: false}:                 false,
		{Want: false, Got: true, Advisory: true}: false,
		{Want: true, Got: false, Advisory: true}: true,
	} {
		if o.OK() != want {
			t.Errorf("%+v", o)
		}
	}
}

func TestRunErrors(t *testing.T) {
	for _, in := range []string{``, `{}`, `[1]`, `[{"headers":3}]`, `[{"valid":"yes"}]`, `[`} {
		if _, err := Run(strings.NewReader(in)); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := Run(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if out, err := Run(strings.NewReader(`[]`)); err != nil || len(out) != 0 {
		t.Errorf("%v, %v", out, err)
	}
}

func FuzzRun(f *testing.F) {
	f.Add([]byte(`[{"scheme":"hmac","secret":"s","options":{"header":"X","tolerance":1e300},"headers":{"a b":["x"]},"now":-1e300}]`))
	f.Add([]byte(`[{"scheme":"vapi","secret":"whsec_AAAA","options":{"payloadFormat":"{svix-id}{body}"},"headers":null,"body":"\ud800"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Run(strings.NewReader(string(b))); err != nil && !errors.Is(err, ErrFile) {
			t.Fatal(err)
		}
	})
}
