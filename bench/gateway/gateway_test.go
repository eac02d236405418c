package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/callgate/callgate/caddymodule/standard"
)

// TestMain lets the test be the program that it starts, in place of a gateway.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "run" {
		if err := standIn(os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// standIn listens where the configuration says, and has its own environment for metrics.
func standIn(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var address, admin string
	if _, err := fmt.Sscan(string(text), &address, &admin); err != nil {
		return fmt.Errorf("not understood: %w", err)
	}
	go http.ListenAndServe(admin, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		for _, name := range []string{"GOGC", "GOMEMLIMIT", "BENCH_KEPT"} {
			value, set := os.LookupEnv(name)
			fmt.Fprintf(w, "# HELP of it\nenvironment{name=%q,value=%q} %d\n", name, value, map[bool]int{true: 1}[set])
		}
	}))
	for { // until the admin interface listens too
		if conn, err := net.Dial("tcp", admin); err == nil {
			conn.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	return http.ListenAndServe(address, nil)
}

func TestStart(t *testing.T) {
	t.Setenv("GOGC", "300")
	t.Setenv("GOMEMLIMIT", "1GiB")
	t.Setenv("BENCH_KEPT", "here")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := Program{
		Name: "stand-in", Binary: self, Dir: t.TempDir(), Config: func(address, admin string) string { return address + " " + admin },
	}
	for _, c := range []struct {
		env  []string
		gogc string
	}{{nil, `environment{name="GOGC",value=""} 0`}, {[]string{"GOGC=100"}, `environment{name="GOGC",value="100"} 1`}} {
		program.Env = c.env
		s, err := Start(t.Context(), program)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		got, err := s.Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want, _ := parseMetrics([]byte(c.gogc + "\n" + `environment{name="GOMEMLIMIT",value=""} 0` + "\n" + `environment{name="BENCH_KEPT",value="here"} 1`))
		if len(want) != 3 || !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if _, err := s.Admin(t.Context(), "/other"); err == nil {
			t.Error("a page that is not there was read")
		}
		if res, err := http.Get(s.URL + Path); err != nil {
			t.Error(err)
		} else {
			res.Body.Close()
		}
	}

	program.Config = func(string, string) string { return "" }
	if _, err := Start(t.Context(), program); err == nil || !strings.Contains(err.Error(), "not understood") {
		t.Errorf("%v", err)
	}
}

func TestParseMetrics(t *testing.T) {
	got, err := parseMetrics([]byte("# TYPE a counter\na 1\nb{c=\"d e\"} 2.5e+07\n\nnan NaN\n"))
	if err != nil || got["a"] != 1 || got[`b{c="d e"}`] != 2.5e7 || len(got) != 3 {
		t.Errorf("%v %v", got, err)
	}
	for _, text := range []string{"a", "a b", " 1x"} {
		if _, err := parseMetrics([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestConfigurationsAreValid(t *testing.T) {
	for name, c := range map[string]Config{
		"as it is":   {Upstream: "127.0.0.1:1235"},
		"as shipped": {Upstream: "127.0.0.1:1235", Proxy: "transport callgate"},
		"forward":    {Upstream: "127.0.0.1:1235", Forward: true},
		"more": {
			Upstream: "127.0.0.1:1235", Admin: "127.0.0.1:1236", Global: "idempotency_cache {; entries 10; memory 1MiB; }",
			Policy: "require phone; max_body 1MB", Proxy: "lb_retries 0;;",
		},
	} {
		adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(c.Text("127.0.0.1:1234")), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		config := new(caddy.Config)
		if err := json.Unmarshal(adapted, config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for part, want := range map[string]bool{
			`"handler":"reverse_proxy"`: !c.Forward, `"forward":"127.0.0.1:1235"`: c.Forward,
			`"handler":"callgate"`: true, `"protocol":"callgate"`: c.Proxy == "transport callgate", `"require":["phone"]`: name == "more",
			`"entries":10`: name == "more",
		} {
			if bytes.Contains(adapted, []byte(part)) != want {
				t.Errorf("%s: %s should be in it: %v\n%s", name, part, want, adapted)
			}
		}
	}
}
