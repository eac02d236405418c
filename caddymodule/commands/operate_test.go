package commands

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/callgate/callgate/caddymodule"
	_ "github.com/callgate/callgate/caddymodule/adminapi" // what operators see and do, at the admin endpoint
	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/operate"
)

// running is a gateway in this process, with its admin endpoint on a socket, and its receiver.
type running struct {
	*gatewaytest.Gateway
	t        *testing.T
	receiver *gatewaytest.Receiver
}

const runningConfig = `{
	callgate {
		store sqlite STORE
		encryption_key ` + firstKey + `
		tenant acme {
			secret ` + gatewaytest.Secret + `
		}
		destination crm http {
			url RECEIVER/leads
			pass_through
			retry 0s
			breaker off
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		tenant {path.1}
		deliver crm
	}
}`

const firstKey = "0000000000000000000000000000000000000000000000000000000000000001"

func runGateway(t *testing.T) *running {
	t.Helper()
	return runGatewayWith(t, runningConfig)
}

func runGatewayWith(t *testing.T, config string) *running {
	t.Helper()
	g := &running{t: t, receiver: gatewaytest.NewReceiver(t)}
	g.Gateway = gatewaytest.Run(t, strings.Replace(config, "RECEIVER", g.receiver.URL, 1))
	return g
}

// send sends a signed lead and gives the event's id.
func (g *running) send(n int) string {
	g.t.Helper()
	status, body := g.Send("/hook/acme", fmt.Sprintf(`{"lead":{"name":"Mike Johnson","phone":"+1555987654%d","notes":"private words %d"}}`, n%10, n))
	var a struct{ ID string }
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 {
		g.t.Fatalf("status %d, %v", status, err)
	}
	return a.ID
}

// run runs a command on the gateway.
func (g *running) run(fill func(*cobra.Command), args ...string) (string, error) {
	g.t.Helper()
	return run(g.t, fill, "", append(args, "--address", g.Admin)...)
}

// must runs a command that has to succeed.
func (g *running) must(fill func(*cobra.Command), args ...string) string {
	g.t.Helper()
	out, err := g.run(fill, args...)
	if err != nil {
		g.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// settled waits until the destination has so many delivered and dead deliveries, and none that wait.
func (g *running) settled(delivered, dead int64) {
	g.t.Helper()
	g.waitFor(fmt.Sprintf("%d delivered and %d dead", delivered, dead), func(s *operate.Statistics) bool {
		d := &s.Destinations[0]
		return d.Pending == 0 && d.Delivered == delivered && d.Dead == dead
	})
}

// waitFor waits until the statistics, of one destination, are as wanted.
func (g *running) waitFor(what string, is func(*operate.Statistics) bool) {
	g.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		var s operate.Statistics
		if err := json.Unmarshal([]byte(g.must(fillStats, "--json")), &s); err != nil {
			g.t.Fatal(err)
		}
		if len(s.Destinations) == 1 && is(&s) {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("not %s: %+v", what, s)
		}
		time.Sleep(5 * time.Millisecond) // the gateway has no event for this
	}
}

func TestAGatewayIsOperatedFromThePrompt(t *testing.T) {
	g := runGateway(t)
	g.receiver.Down.Store(true)
	var ids []string
	for n := range 3 {
		ids = append(ids, g.send(n))
	}
	g.settled(0, 3)

	if out := g.must(fillEvents, "--limit", "2"); strings.Count(out, "\n") != 3 || !strings.Contains(out, ids[2]) || strings.Contains(out, ids[0]) || !strings.Contains(out, "1 dead") {
		t.Errorf("events:\n%s", out)
	}
	var page struct {
		Events []struct{ ID string }
		Next   string
	}
	if err := json.Unmarshal([]byte(g.must(fillEvents, "--json", "--limit", "2", "--caller", "+15559876541")), &page); err != nil || len(page.Events) != 1 || page.Events[0].ID != ids[1] {
		t.Errorf("%+v, %v", page, err)
	}
	if out := g.must(fillDeliveries, "--state", "dead", "--from", "1h"); strings.Count(out, " dead ") != 3 || !strings.Contains(out, "503") {
		t.Errorf("deliveries:\n%s", out)
	}
	out := g.must(fillShow, ids[0]+".0")
	if !strings.Contains(out, "to crm: dead") || !strings.Contains(out, "503") || strings.Contains(out, "Mike") {
		t.Errorf("show:\n%s", out)
	}
	if out := g.must(fillShow, ids[0], "--reveal", "--reason", "a test"); !strings.Contains(out, "private words 0") || !strings.Contains(out, `"caller_number": "+15559876540"`) {
		t.Errorf("show --reveal:\n%s", out)
	}

	if out := g.must(fillReplay, "--destination", "crm"); out != "3 deliveries would be replayed. Nothing was changed; add --yes to have them replayed.\n" {
		t.Errorf("replay: %s", out)
	}
	if out := g.must(fillReplay, "--destination", "crm", "--caller", "+15550000000", "--yes"); out != "0 deliveries replayed.\n" {
		t.Errorf("replay: %s", out)
	}
	g.settled(0, 3)
	g.receiver.Down.Store(false)
	if out := g.must(fillReplay, "--delivery", ids[0]+".0", "--yes"); out != "1 delivery replayed.\n" {
		t.Errorf("replay: %s", out)
	}
	g.settled(1, 2)

	if out := g.must(fillPause, "crm", "--reason", "tea"); !strings.Contains(out, "crm is paused") {
		t.Errorf("pause: %s", out)
	}
	if out := g.must(fillStats); !strings.Contains(out, "paused: tea") || !strings.HasPrefix(out, "3 events in the store, ") {
		t.Errorf("stats:\n%s", out)
	}
	if out := g.must(fillResume, "crm", "--json"); !strings.Contains(out, `"paused": false`) {
		t.Errorf("resume: %s", out)
	}

	if out := g.must(fillErase, "--caller", "+15559876541"); !strings.HasPrefix(out, "1 event would be erased. Nothing was changed") {
		t.Errorf("erase: %s", out)
	}
	if out := g.must(fillErase, "--caller", "+15559876541", "--yes"); out != "1 event erased.\n" {
		t.Errorf("erase: %s", out)
	}
	if out := g.must(fillErase, "--all", "--yes", "--json"); !strings.Contains(out, `"events": 2`) {
		t.Errorf("erase: %s", out)
	}
	g.settled(0, 0)
}

func TestWaitingDeliveriesAreSentOrCancelledFromThePrompt(t *testing.T) {
	g := runGatewayWith(t, strings.Replace(runningConfig, "retry 0s", "retry 0s 1h 1h", 1))
	g.receiver.Down.Store(true)
	first := g.send(1)
	g.send(2)
	g.waitFor("2 attempts that failed", func(s *operate.Statistics) bool {
		return strings.Count(g.must(fillDeliveries, "--reason", "503"), " crm ") == 2 && s.Destinations[0].Pending == 2
	})
	g.receiver.Down.Store(false)
	if out := g.must(fillRetry, "--destination", "crm"); out != "2 deliveries would be sent now. Nothing was changed; add --yes to have them sent now.\n" {
		t.Errorf("retry: %s", out)
	}
	if out := g.must(fillRetry, "--event", first, "--yes"); out != "1 delivery sent now.\n" {
		t.Errorf("retry: %s", out)
	}
	g.waitFor("the first delivered", func(s *operate.Statistics) bool { return s.Destinations[0].Delivered == 1 })
	if out := g.must(fillCancel, "--all", "--yes", "--json"); !strings.Contains(out, `"deliveries": 1`) {
		t.Errorf("cancel: %s", out)
	}
	g.settled(1, 1)
	if out := g.must(fillReplay, "--state", "any", "--rate", "30/min"); out != "2 deliveries would be replayed, over 2s. Nothing was changed; add --yes to have them replayed.\n" {
		t.Errorf("replay: %s", out)
	}
	if out := g.must(fillReplay, "--all", "--rate", "5/s", "--yes"); out != "1 delivery replayed.\n" {
		t.Errorf("replay: %s", out)
	}
	g.settled(2, 0)
}

func TestATailPrintsWhatHappens(t *testing.T) {
	g := runGateway(t)
	sent := 0
	for _, json := range []bool{false, true} {
		in, out := io.Pipe()
		cmd := new(cobra.Command)
		fillTail(cmd)
		args := []string{"--tenant", "acme", "--address", g.Admin}
		if json {
			args = append(args, "--json")
		}
		cmd.SetArgs(args)
		cmd.SetOut(out)
		var errors bytes.Buffer
		cmd.SetErr(&errors)
		done := make(chan error, 1)
		go func() {
			done <- cmd.ExecuteContext(t.Context())
			out.Close()
		}()
		// What is sent before the stream begins is not told, so it is sent until something is.
		lines := make(chan string, 100)
		go func() {
			defer close(lines)
			var b [64 << 10]byte
			for {
				n, err := in.Read(b[:])
				if err != nil {
					return
				}
				lines <- string(b[:n])
			}
		}()
		printed := ""
		deadline := time.After(time.Minute)
		for ; !strings.Contains(printed, "attempt") || !strings.Contains(printed, "nextphone"); sent++ {
			g.send(sent)
			select {
			case l := <-lines:
				printed += l
			case <-time.After(100 * time.Millisecond):
			case <-deadline:
				t.Fatalf("printed %q, %s", printed, errors.String())
			}
		}
		if wantJSON := strings.Contains(printed, `"kind":"event"`) && strings.Contains(printed, `"kind":"attempt"`); wantJSON != json {
			t.Errorf("printed %s", printed)
		}
		in.Close() // as when a pipe's reader goes away: writing fails, and that ends it
		g.send(1000 + sent)
		select {
		case err := <-done:
			if err == nil {
				t.Error("a tail that cannot write ended without an error")
			}
		case <-time.After(time.Minute):
			t.Fatal("the tail runs on")
		}
	}
}

// TestExitStatus holds the documented exit statuses: cobra and Caddy turn an error into 1 and its absence into 0.
func TestExitStatus(t *testing.T) {
	g := runGateway(t)
	g.send(1)
	g.settled(1, 0)
	const id = "01JC0Q4Z6W5P9G2N8S3T7V1X0Y"
	for _, tt := range []struct {
		fill func(*cobra.Command)
		args string
		says string // empty for success
	}{
		{fillEvents, "", ""},
		{fillEvents, "--tenant nobody", "no such tenant; there are: acme"},
		{fillEvents, "--source nextfone", "no such source"},
		{fillDeliveries, "--destination crn", "no such destination; there are: crm"},
		{fillDeliveries, "--failed-since today", ""},
		{fillEvents, "--state odd", "state must be"},
		{fillEvents, "--from yesterday", ""},
		{fillEvents, "--from morning", `--from "morning": it is not a time`},
		{fillEvents, "--limit -1", "--limit"},
		{fillEvents, "--before x", "before"},
		{fillEvents, "stray", "stray"},
		{fillDeliveries, "--caller 5551234567", "with its country"},
		{fillShow, "", "one argument is needed, and there are 0; write it as show EVENT"},
		{fillShow, id, "not found"},
		{fillShow, id + " --reveal", "--reason"},
		{fillShow, id + " --reason x", "--reveal"},
		{fillShow, id + " --reveal --reason x", "not found"},
		{fillReplay, "--destination nowhere", "there are: crm"},
		{fillReplay, "--destination nowhere --yes", "there are: crm"},
		{fillReplay, "--destination crm", ""},
		{fillRetry, "--tenant acme", ""},
		{fillRetry, "", "--all"},
		{fillCancel, "--state dead", "only pending"},
		{fillReplay, "--all --rate fast", "--rate: rate must be"},
		{fillReplay, "", "--all"},
		{fillReplay, "--all --tenant acme", "either"},
		{fillReplay, "--state pending", "need no replay"},
		{fillErase, "", "--all"},
		{fillErase, "--yes", "--all"},
		{fillErase, "--all", ""},
		{fillPause, "nowhere", "there are: crm"},
		{fillResume, "nowhere", "there are: crm"},
		{fillStats, "", ""},
		{fillStats, "--config /nowhere/Caddyfile --address=", "no such file"},
	} {
		args := append(strings.Fields("--address "+g.Admin), strings.Fields(tt.args)...)
		out, err := run(t, tt.fill, "", args...)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %v\n%s", tt.args, err, out)
		}
	}
	// Nothing was changed by all this.
	g.settled(1, 0)
	for _, fill := range []func(*cobra.Command){fillEvents, fillStats, fillTail} {
		if _, err := run(t, fill, "", "--address", "unix/"+filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "does the gateway run") {
			t.Errorf("without a gateway: %v", err)
		}
	}
}

func TestTheAdminEndpointIsFoundInTheConfiguration(t *testing.T) {
	g := runGateway(t)
	file := write(t, "Caddyfile", "{\n\tadmin "+g.Admin+"\n}\n")
	if out, err := run(t, fillStats, "", "--config", file); err != nil || !strings.Contains(out, "0 events") {
		t.Errorf("%v\n%s", err, out)
	}
}
