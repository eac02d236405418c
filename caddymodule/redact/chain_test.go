package redact

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestAnErrorBeginsWithWhatIsWrong and not with the modules that Caddy loaded on the way there.
func TestAnErrorBeginsWithWhatIsWrong(t *testing.T) {
	e, clean := encoder(t, "")
	defer clean()
	const chain = "loading http app module: provision http: server srv0: setting up route handlers: route 0: loading handler modules: " +
		"position 0: loading module 'callgate': provision http.handlers.callgate: "
	for message, want := range map[string]string{
		chain + "route calls: secret 1: {env.A} has no value":                                                "route calls: secret 1: {env.A} has no value",
		"loading initial config: loading new config: " + chain + "route calls: no tenant is known":           "route calls: no tenant is known",
		"loading callgate app module: provision callgate: destination crm: token: is empty":                  "destination crm: token: is empty",
		chain + "callgate app module: loading callgate app module: provision callgate: destination crm: url": "destination crm: url",
		"loading tls app module: provision tls: x":                                                           "loading tls app module: provision tls: x",
		"a route says provision callgate: x":                                                                 "a route says provision callgate: x",
	} {
		var out bytes.Buffer
		zap.New(zapcore.NewCore(e, zapcore.AddSync(&out), zapcore.DebugLevel)).Error(message)
		if !strings.Contains(out.String(), `"msg":"`+want+`"`) {
			t.Errorf("%s\nis written as %s\nwant %s", message, out.String(), want)
		}
	}
}
