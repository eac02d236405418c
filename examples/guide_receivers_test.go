package examples_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const guideSecret = "the-secret-of-the-guide"

const guidePath = "/api/webhooks/nextphone"

// guideReceiver is one of the two receivers that the guide shows.
type guideReceiver struct {
	dir   string
	own   string // the form of the body that it checks
	other string // one that it does not
	start func(t *testing.T, port int) *process
}

var guideReceivers = []guideReceiver{
	{dir: "express-receiver", own: "js", other: "python", start: startExpress},
	{dir: "flask-receiver", own: "python", other: "js", start: startFlask},
}

func startExpress(t *testing.T, port int) *process {
	cmd := exec.Command(tool(t, "node"), "server.js")
	cmd.Dir = nodeProject(t, "express-receiver", "server.js", "package.json")
	cmd.Env = append(environment(t), "NODE_ENV=production", "PORT="+strconv.Itoa(port), "NEXTPHONE_WEBHOOK_SECRET="+guideSecret)
	return start(t, cmd, port)
}

func startFlask(t *testing.T, port int) *process {
	// The receiver's own last line starts it on port 3000, which may be taken.
	cmd := exec.Command(python(t), "-m", "flask", "--app", "app", "run", "--port", strconv.Itoa(port))
	cmd.Dir = "flask-receiver"
	cmd.Env = append(environment(t), "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", "NEXTPHONE_WEBHOOK_SECRET="+guideSecret)
	return start(t, cmd, port)
}

// leadOf is a lead that the three forms render differently, with a mark by which it is found in the receiver's log.
func leadOf(mark string) []byte {
	return fmt.Appendf(nil, "{\n  \"lead\": {\n    \"phone\": \"+15559876543\",\n    \"name\": \"Zoë Ångström\",\n"+
		"    \"budget\": 15000.00,\n    \"email\": \"zoe@email.com\",\n    \"notes\": %q\n  }\n}\n", mark)
}

// signatures of a body, made by the runtimes themselves as the guide's receivers do it, and not by the gateway.
func signatures(t *testing.T, body []byte) map[string]string {
	t.Helper()
	m := hmac.New(sha256.New, []byte(guideSecret))
	m.Write(body)
	const js = `const body = JSON.parse(require('fs').readFileSync(0));
		process.stdout.write(require('crypto').createHmac('sha256', process.argv[1]).update(JSON.stringify(body)).digest('hex'))`
	const py = `import hashlib, hmac, json, sys
print(hmac.new(sys.argv[1].encode(), json.dumps(json.load(sys.stdin.buffer)).encode(), hashlib.sha256).hexdigest(), end='')`
	return map[string]string{
		"raw":    hex.EncodeToString(m.Sum(nil)),
		"js":     string(script(t, "", body, tool(t, "node"), "-e", js, guideSecret)),
		"python": string(script(t, "", body, python(t), "-c", py, guideSecret)),
	}
}

func signed(signature string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "X-Nextphone-Signature": {signature}}
}

// saved counts the leads that a receiver has saved; with a mark, those with this mark.
func saved(p *process, mark string) (n int) {
	for _, part := range strings.Split(p.Tail(1<<20), "Saving lead to CRM:")[1:] {
		lead, _, _ := strings.Cut(part, "Received lead:")
		if strings.Contains(lead, mark) {
			n++
		}
	}
	return n
}

// TestGuideReceivers runs the two receivers of the guide behind the gateway.
func TestGuideReceivers(t *testing.T) {
	heavy(t)
	for _, g := range guideReceivers {
		t.Run(g.dir, func(t *testing.T) {
			port := freePort(t)
			rc := g.start(t, port)
			gw := startGateway(t, g.dir+"/Caddyfile", port, "NEXTPHONE_WEBHOOK_SECRET="+guideSecret)
			url := gw.url + guidePath

			t.Run("signed in each form", func(t *testing.T) {
				forms := make(map[string]bool)
				for _, form := range []string{"raw", "js", "python"} {
					body := leadOf("form-" + form)
					signature := signatures(t, body)[form]
					forms[signature] = true
					status, _, answer := post(t, url, signed(signature), body)
					if status != http.StatusOK || !strings.Contains(answer, "Lead processed successfully") {
						t.Errorf("signed %s: %d %s", form, status, answer)
					}
					rc.Await("lead "+form, func() bool { return saved(rc, "form-"+form) == 1 })
				}
				if len(forms) != 3 {
					t.Error("the forms do not differ, so this shows nothing")
				}
			})

			t.Run("sent by the command", func(t *testing.T) {
				out, err := callgate(t, leadOf("by-command"), "send", "-", "--to", url, "--scheme", "nextphone", "--secret", guideSecret)
				if err != nil || !strings.Contains(out, "200 OK") || !strings.Contains(out, "Lead processed successfully") {
					t.Errorf("%v\n%s", err, out)
				}
			})

			t.Run("ten copies at once", func(t *testing.T) {
				out, err := callgate(t, leadOf("ten-copies"), "send", "-", "--to", url, "--scheme", "nextphone",
					"--secret", guideSecret, "--copies", "10", "--concurrent", "10")
				if err != nil || strings.Count(out, "Lead processed successfully") != 10 || strings.Count(out, "Idempotency-Replayed: true") != 9 {
					t.Errorf("%v\n%s", err, out)
				}
			})

			t.Run("refused", func(t *testing.T) {
				body := leadOf("honest")
				forged := []byte(strings.Replace(string(leadOf("forged")), "+15559876543", "+15550000000", 1))
				for name, c := range map[string]struct {
					header http.Header
					code   string
				}{
					"tampered":          {signed(signatures(t, body)["raw"]), "signature_invalid"},
					"tampered, js":      {signed(signatures(t, body)["js"]), "signature_invalid"},
					"unsigned":          {jsonHeader, "signature_missing"},
					"empty signature":   {signed(""), "signature_missing"},
					"two, one is right": {http.Header{"X-Nextphone-Signature": {strings.Repeat("0", 64), signatures(t, forged)["raw"]}}, ""},
				} {
					status, _, answer := post(t, url, c.header, forged)
					if status != http.StatusForbidden || !strings.Contains(answer, c.code) {
						t.Errorf("%s: %d %s", name, status, answer)
					}
				}
			})

			t.Run("an error of the receiver is left as it is", func(t *testing.T) {
				body := []byte(`{"lead": {"name": "without a phone"}}`)
				status, _, answer := post(t, url, signed(signatures(t, body)["raw"]), body)
				if status != http.StatusBadRequest || !strings.Contains(answer, "Phone number required") {
					t.Errorf("%d %s", status, answer)
				}
			})

			// What comes last is in the log last, so what is not there before it has not arrived.
			last := leadOf("last-one")
			if status, _, answer := post(t, url, signed(signatures(t, last)["raw"]), last); status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
			rc.Await("the last lead", func() bool { return saved(rc, "last-one") == 1 })
			for mark, want := range map[string]int{"form-": 3, "by-command": 1, "ten-copies": 1, "honest": 0, "forged": 0, "": 6} {
				if got := saved(rc, mark); got != want {
					t.Errorf("the receiver saved %d leads with %q, want %d", got, mark, want)
				}
			}
			if strings.Contains(rc.Tail(1<<20), "forged") {
				t.Error("what was refused has reached the receiver")
			}
		})
	}
}

// TestGuideReceiversCheck shows that the receivers do look at the signature that the gateway hands on, so that the test
// above means something; and what they let in without the gateway.
func TestGuideReceiversCheck(t *testing.T) {
	heavy(t)
	for _, g := range guideReceivers {
		t.Run(g.dir, func(t *testing.T) {
			port := freePort(t)
			g.start(t, port)
			shipped := readFile(t, g.dir+"/Caddyfile")
			for name, c := range map[string]struct {
				from, to string // what is changed in the shipped Caddyfile
				status   int
			}{
				"as shipped":               {"", "", http.StatusOK},
				"sign with other secret":   {"sign nextphone {env.NEXTPHONE_WEBHOOK_SECRET}", "sign nextphone another-secret", http.StatusForbidden},
				"sign in the other form":   {"} " + g.own, "} " + g.other, http.StatusForbidden},
				"sign nothing, send bytes": {"sign nextphone", "# sign nextphone", http.StatusForbidden},
			} {
				changed := strings.Replace(shipped, c.from, c.to, 1)
				if c.from != "" && changed == shipped {
					t.Fatalf("%s: the Caddyfile has no %q", name, c.from)
				}
				file := filepath.Join(t.TempDir(), "Caddyfile")
				if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
					t.Fatal(err)
				}
				gw := startGateway(t, file, port, "NEXTPHONE_WEBHOOK_SECRET="+guideSecret)
				body := leadOf("check")
				status, _, answer := post(t, gw.url+guidePath, signed(signatures(t, body)["raw"]), body)
				if status != c.status || status == http.StatusForbidden && !strings.Contains(answer, `Invalid signature`) {
					t.Errorf("%s: %d %s", name, status, answer)
				}
			}
			direct := "http://127.0.0.1:" + strconv.Itoa(port) + guidePath
			if status, _, answer := post(t, direct, jsonHeader, leadOf("direct")); status != http.StatusOK {
				t.Errorf("without the gateway, a lead that nobody has signed: %d %s; if the receiver refuses it now, say so in its README", status, answer)
			}
		})
	}
}
