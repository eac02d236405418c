package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

// jobber is an admin endpoint in place of one whose gateway does a job, which goes one step further each time it is asked.
type jobber struct {
	*httptest.Server
	mu    sync.Mutex
	steps []string // what it answers one after the other; the last one again and again
	asked []string
	// each is called for each question about the job, if it is there.
	each func()
}

const aJob = `{"id":"01JC0Q4Z6W5P9G2N8S3T7V1X0J","operation":"replay","by":"ada","via":"admin","started_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:00Z","total":3,`

func newJobber(t *testing.T, steps ...string) *jobber {
	j := &jobber{steps: steps}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.asked = append(j.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/callgate/")+" "+string(body))
		switch {
		case strings.Contains(string(body), `"dry_run":true`):
			_, _ = w.Write([]byte(`{"dry_run":true,"deliveries":3,"events":3}`))
		case r.Method == http.MethodPost:
			_, _ = w.Write([]byte(aJob + `"state":"running","done":0}`))
		default:
			if j.each != nil {
				j.each()
			}
			step := j.steps[0]
			if len(j.steps) > 1 {
				j.steps = j.steps[1:]
			}
			if step == "" {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(`{"error":"the store is being closed"}`))
				return
			}
			_, _ = w.Write([]byte(aJob + step + `}`))
		}
	}))
	t.Cleanup(j.Close)
	return j
}

func (j *jobber) address() string { return j.Listener.Addr().String() }

// TestManyAreChangedByAJob that the gateway does: it is followed to its end, and how that was is told.
func TestManyAreChangedByAJob(t *testing.T) {
	const more = `"state":"running","done":1`
	for says, steps := range map[string][]string{
		"":                               {more, "", "", more, `"state":"done","done":3`},
		"stopped by bob. 2 of 3 are":     {more, `"state":"stopped","stopped_by":"bob","done":2`},
		"failed: the disk is full. 1 of": {`"state":"failed","error":"the disk is full","done":1`},
		"but interrupted. 1 of 3 are":    {more, `"state":"interrupted","done":1`},
		"cannot be seen how far it is: the store is being closed. callgate jobs show": {""},
	} {
		j := newJobber(t, steps...)
		out, err := run(t, fillReplay, "", "--all", "--rate", "5/s", "--yes", "--address", j.address())
		if says == "" {
			if err != nil || !strings.Contains(out, "3 deliveries replayed.\n") {
				t.Errorf("%v: %s", err, out)
			}
			want := `POST jobs {"all":true,"operation":"replay","rate":"5/s"}`
			if j.asked[1] != want {
				t.Errorf("asked for %s, want %s", j.asked[1], want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(out, "replayed.") {
			t.Errorf("%s: %v: %s", says, err, out)
		}
	}
}

// TestAJobNeedsNobodyToWait: it goes on when the command is interrupted, or does not wait at all, and it is said how to look.
func TestAJobNeedsNobodyToWait(t *testing.T) {
	const look = "callgate jobs show 01JC0Q4Z6W5P9G2N8S3T7V1X0J tells how far it is, and callgate jobs stop"
	j := newJobber(t, `"state":"running","done":1`)
	ctx, interrupt := context.WithCancel(t.Context())
	j.each = interrupt
	cmd := new(cobra.Command)
	fillErase(cmd)
	var out, told bytes.Buffer
	cmd.SetArgs([]string{"--tenant", "acme", "--destroy-key", "--yes", "--address", j.address()})
	cmd.SetOut(&out)
	cmd.SetErr(&told)
	if err := cmd.ExecuteContext(ctx); err == nil || !strings.Contains(err.Error(), "goes on in the gateway. "+look) || out.Len() > 0 {
		t.Errorf("%v: %s", err, &out)
	}
	if !strings.Contains(told.String(), "Erasing 3 events as job 01JC0Q4Z6W5P9G2N8S3T7V1X0J") {
		t.Error(&told)
	}
	for _, asked := range j.asked {
		if strings.Contains(asked, "stop") {
			t.Error(asked)
		}
	}
	if want := `POST jobs/erase {"tenant":"acme","destroy_key":true}`; j.asked[1] != want {
		t.Errorf("asked for %s, want %s", j.asked[1], want)
	}

	j = newJobber(t, "")
	if out, err := run(t, fillCancel, "", "--all", "--yes", "--wait=false", "--address", j.address()); err != nil || !strings.HasPrefix(out, "Cancelling 3 deliveries: begun as job 01JC0Q4Z6W5P9G2N8S3T7V1X0J. "+look) {
		t.Errorf("%v: %s", err, out)
	}
	var begun operate.Job
	if out, err := run(t, fillCancel, "", "--all", "--yes", "--wait=false", "--json", "--address", j.address()); err != nil || json.Unmarshal([]byte(out), &begun) != nil || begun.Total != 3 {
		t.Errorf("%v: %s", err, out)
	}
	if len(j.asked) != 4 {
		t.Errorf("asked %q", j.asked)
	}
}

// TestJobsAreShownAndStopped with a gateway that does them.
func TestJobsAreShownAndStopped(t *testing.T) {
	g := runGateway(t)
	if out := g.must(fillJobsList); out != "There is no job.\n" {
		t.Error(out)
	}
	g.receiver.Down.Store(true)
	for n := range 3 {
		g.send(n)
	}
	g.settled(0, 3)
	g.receiver.Down.Store(false)
	if out := g.must(fillReplay, "--destination", "crm", "--yes"); !strings.Contains(out, "3 deliveries replayed.\n") {
		t.Error(out)
	}
	g.settled(3, 0)
	var l operate.JobList
	if out := g.must(fillJobsList, "--json"); json.Unmarshal([]byte(out), &l) != nil || len(l.Jobs) != 1 || l.Jobs[0].Done != 3 || l.Jobs[0].State != operate.JobDone {
		t.Fatal(out)
	}
	id := l.Jobs[0].ID
	if out := g.must(fillJobsList); !strings.Contains(out, id+"  replay  done   3     3 ") || !strings.Contains(out, "crm") {
		t.Error(out)
	}
	for _, args := range [][]string{{id}, {id, "--wait"}} {
		if out := g.must(fillJobsShow, args...); !strings.Contains(out, "replay of "+id) || !strings.Contains(out, "done, 3 of 3 done") {
			t.Error(out)
		}
	}
	if out := g.must(fillJobsStop, id); !strings.Contains(out, "done, 3 of 3 done") {
		t.Error(out)
	}
	for _, fill := range []func(*cobra.Command){fillJobsShow, fillJobsStop} {
		if _, err := g.run(fill, anID); err == nil || !strings.Contains(err.Error(), "no such job") {
			t.Error(err)
		}
	}
	// One that did not end well is shown, and an error to who waits for it.
	j := newJobber(t, `"state":"stopped","stopped_by":"bob","done":2`)
	out, err := run(t, fillJobsShow, "", "01JC0Q4Z6W5P9G2N8S3T7V1X0J", "--wait", "--address", j.address())
	if err == nil || !strings.Contains(err.Error(), "begin it again for the rest") || !strings.Contains(out, fmt.Sprintf("stopped, %d of 3 done, stopped by bob", 2)) {
		t.Errorf("%v: %s", err, out)
	}
}
