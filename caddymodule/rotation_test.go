package caddymodule

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/internal/signature"
)

// TestARotationStartsInTheMiddleOfIt: the README's list of a new and an old secret stays in the configuration, and the
// gateway starts with one of them. With none it does not.
func TestARotationStartsInTheMiddleOfIt(t *testing.T) {
	t.Setenv("ROTATION_SECRET", testSecret)
	for _, secrets := range []string{"{env.ROTATION_SECRET} {env.ROTATION_OLD}", "{env.ROTATION_NEW} {env.ROTATION_SECRET}"} {
		g := newGateway(t, "http:// {\ncallgate nextphone {\nname NAME\nsecret "+secrets+"\n}\ntest_receiver\n}")
		if res := g.do(lead(t, "/", leadBody)); res.StatusCode != http.StatusOK {
			t.Errorf("with %s a signed request is answered %d: %s", secrets, res.StatusCode, text(t, res))
		}
		other := signature.Config{Scheme: "nextphone", Secrets: []string{"another"}}
		if res := g.do(signed(t, other, "/", leadBody)); res.StatusCode != http.StatusForbidden {
			t.Errorf("with %s another secret is answered %d: %s", secrets, res.StatusCode, text(t, res))
		}
	}
	_, err := provision("http:// {\ncallgate nextphone {\nsecret {env.ROTATION_NEW} {env.ROTATION_OLD}\n}\n}")
	if err == nil || !strings.Contains(err.Error(), "secret 1: {env.ROTATION_NEW} has no value: the environment of the running gateway has no ROTATION_NEW") {
		t.Errorf("with none of two: %v", err)
	}
}

func TestWhatIsLeftOutIsToldOnce(t *testing.T) {
	core, logs := logtest.New(zap.WarnLevel)
	in := &instance{logger: zap.New(core)}
	for range 3 {
		in.leftOut(errors.New("secret 2"))
	}
	in.leftOut(errors.New("secret 3"))
	if logs.Len() != 2 || !strings.Contains(logs.All()[0].Message, "left out") {
		t.Errorf("logged %v", logs.All())
	}
}
