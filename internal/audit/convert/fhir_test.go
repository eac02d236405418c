package convert

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// disclosed is sample as a disclosure in FHIR, in the order of the structs.
const disclosed = `{"resourceType":"AuditEvent","id":"seq-7",` +
	`"meta":{"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"]},` +
	`"type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110106","display":"Export"},` +
	`"subtype":[{"system":"http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle","code":"disclose","display":"Disclose Record Lifecycle Event"},` +
	`{"system":"https://github.com/callgate/callgate/audit-kind","code":"attempt"}],` +
	`"action":"R","recorded":"2026-03-01T12:30:00.250Z","outcome":"4","outcomeDesc":"the receiver answered 503",` +
	`"purposeOfEvent":[{"text":"asked by Bob"}],` +
	`"agent":[{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153","display":"Source Role ID"}]},` +
	`"who":{"display":"clinic.example/1"},"requestor":false,"network":{"address":"gateway.clinic.example","type":"1"}},` +
	`{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152","display":"Destination Role ID"}]},` +
	`"who":{"display":"crm"},"requestor":false,"network":{"address":"crm.example","type":"1"}},` +
	`{"role":[{"text":"operator"}],"who":{"identifier":{"value":"ann"},"display":"ann"},"requestor":true,"network":{"address":"192.0.2.1","type":"2"}}],` +
	`"source":{"site":"acme","observer":{"display":"clinic.example/1"},` +
	`"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]},` +
	`"entity":[{"what":{"type":"Patient","identifier":{"system":"https://github.com/callgate/callgate/caller-pseudonym","value":"c0ffee"}},` +
	`"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},` +
	`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}},` +
	`{"what":{"identifier":{"system":"https://github.com/callgate/callgate/event","value":"evt"}},` +
	`"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},` +
	`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"3","display":"Report"},` +
	`"detail":[{"type":"source","valueString":"nextphone"},{"type":"route","valueString":"/in"},{"type":"delivery","valueString":"dlv"},` +
	`{"type":"operation","valueString":"send_now"},{"type":"version","valueString":"4"},{"type":"attempt","valueString":"2"},{"type":"fields","valueString":"caller_number first_name"},{"type":"policy","valueString":"allowed"},` +
	`{"type":"bytes","valueString":"512"},{"type":"count","valueString":"3"},{"type":"outcome","valueString":"retry"},{"type":"status","valueString":"503"},` +
	`{"type":"took_ms","valueString":"87"},{"type":"config","valueString":"c1"},{"type":"boot","valueString":"b1"},{"type":"via","valueString":"dashboard"},` +
	`{"type":"to_kind","valueString":"http"},{"type":"sent","valueString":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},` +
	`{"type":"subject","valueString":"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}]}` + "\n"

func options() FHIROptions {
	return FHIROptions{Origin: "clinic.example/1", Host: "gateway.clinic.example", Pseudonym: func(event string) string {
		if event == "evt" {
			return "c0ffee"
		}
		return ""
	}}
}

func TestADisclosureIsThatOfBALP(t *testing.T) {
	var b strings.Builder
	if err := NewFHIR(&b, options()).Write(sample()); err != nil {
		t.Fatal(err)
	}
	if b.String() != disclosed {
		t.Errorf("it is written as\n%s\nand was\n%s", b.String(), disclosed)
	}
}

// TestTheProfileIsClaimedOnlyWhenItHolds: what IHE's profile says shall be there has to be there.
func TestTheProfileIsClaimedOnlyWhenItHolds(t *testing.T) {
	claims := func(l *audit.Leaf, o FHIROptions) bool {
		e := NewFHIR(nil, o).event(l)
		if e.Meta == nil {
			return false
		}
		sources, receivers, patients, data := 0, 0, 0, 0
		for _, a := range e.Agent {
			if a.Type == nil {
				continue
			}
			if a.Who == nil || a.Network == nil {
				t.Errorf("an agent has no who or no network: %+v", a)
			}
			switch a.Type.Coding[0].Code {
			case "110153":
				sources++
				if *a.Who != e.Source.Observer {
					t.Errorf("the source agent is %+v, and the observer %+v", *a.Who, e.Source.Observer)
				}
			case "110152":
				receivers++
			}
		}
		for _, n := range e.Entity {
			switch {
			case n.Type.Code == "1" && n.Role.Code == "1" && n.What.Type == "Patient":
				patients++
			case n.What != nil:
				data++
			}
		}
		if e.Type.Code != "110106" || e.Subtype[0].Code != "disclose" || e.Action != "R" || e.Outcome == "" || sources != 1 || receivers != 1 || patients != 1 || data < 1 {
			t.Errorf("the profile is claimed by %+v", e)
		}
		return true
	}
	with := func(change func(*audit.Leaf)) *audit.Leaf { l := sample(); change(l); return l }
	if !claims(sample(), options()) || !claims(with(func(l *audit.Leaf) { l.Kind = audit.SyncOutcome; l.Actor = audit.Actor{} }), options()) {
		t.Error("a disclosure does not claim the profile")
	}
	noPseudonym, noHost := options(), options()
	noPseudonym.Pseudonym, noHost.Host = nil, ""
	if claims(sample(), noPseudonym) || claims(sample(), noHost) {
		t.Error("the profile is claimed without a patient, or without a network")
	}
	for name, l := range map[string]*audit.Leaf{
		"erased":         with(func(l *audit.Leaf) { l.Event = "erased" }),
		"no host":        with(func(l *audit.Leaf) { l.To[0].Host = "" }),
		"two receivers":  with(func(l *audit.Leaf) { l.To = append(l.To, l.To[0]) }),
		"no receiver":    with(func(l *audit.Leaf) { l.To = nil }),
		"an intent":      with(func(l *audit.Leaf) { l.Kind = audit.EventAccepted }),
		"before sending": with(func(l *audit.Leaf) { l.Kind = audit.SyncForward }),
	} {
		if claims(l, options()) {
			t.Errorf("%s: the profile is claimed", name)
		}
	}
}

// everyKind has a record of every kind, full and empty, and what strangers might write.
func everyKind() []*audit.Leaf {
	all := []*audit.Leaf{{At: time.Unix(1, 0), Kind: "tenants.publish", Why: "  a\tb\x00 ", Tenant: "\x01"}, {At: time.Unix(1, 0), Actor: audit.Actor{IP: "2001:db8::1"}}}
	for _, k := range []audit.Kind{audit.Replay, audit.SendNow, audit.Cancel, audit.Pause, audit.Resume, audit.Rekey} {
		all = append(all, &audit.Leaf{At: time.Unix(1, 0), Kind: k})
	}
	for k := range classes {
		full := sample()
		full.Kind, full.Outcome = k, audit.OutcomeOK
		all = append(all, full, &audit.Leaf{At: time.Unix(1, 0), Kind: k}, &audit.Leaf{At: time.Unix(1, 0), Kind: k, To: []audit.Recipient{{Name: "a", Host: "[2001:db8::1]:443"}, {Name: "b"}}})
	}
	for _, o := range []string{audit.OutcomeRetry, audit.OutcomeDead, audit.OutcomeDenied, audit.OutcomeDryRun, audit.OutcomeUnclean} {
		l := sample()
		l.Outcome = o
		all = append(all, l)
	}
	return all
}

func TestWhatIsWrittenIsFHIRInForm(t *testing.T) {
	for _, l := range everyKind() {
		var b bytes.Buffer
		if err := NewFHIR(&b, options()).Write(l); err != nil {
			t.Fatal(err)
		}
		if bytes.Count(b.Bytes(), []byte("\n")) != 1 {
			t.Errorf("a record has more than one line: %s", b.Bytes())
		}
		var empty func(at string, v any)
		empty = func(at string, v any) { // FHIR has no empty values
			switch v := v.(type) {
			case string:
				if strings.TrimSpace(v) != v || v == "" {
					t.Errorf("%s of %s is %q", at, l.Kind, v)
				}
			case []any:
				if len(v) == 0 {
					t.Errorf("%s of %s is empty", at, l.Kind)
				}
				for _, e := range v {
					empty(at, e)
				}
			case map[string]any:
				if len(v) == 0 {
					t.Errorf("%s of %s is empty", at, l.Kind)
				}
				for name, e := range v {
					empty(at+"."+name, e)
				}
			}
		}
		var got any
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		empty("AuditEvent", got)
	}
}

// TestAnIndependentValidatorAcceptsTheOutput runs the npm package fhir, which has R4's structure definitions, over what is
// written. It installs the package, so it runs only when asked to.
func TestAnIndependentValidatorAcceptsTheOutput(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("set CALLGATE_HEAVY=1 to install and run the npm package fhir; it needs npm and a network")
	}
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "fhir@4.12.0")
	const script = `
const {Fhir} = require('fhir'); const fs = require('fs'); const f = new Fhir();
for (const line of fs.readFileSync(process.argv[2], 'utf8').trim().split('\n')) {
  const v = f.validate(JSON.parse(line), {errorOnUnexpected: true});
  if (!v.valid) { console.log(line, JSON.stringify(v.messages.filter(m => m.severity === 'error'))); process.exitCode = 1; }
}
const bad = {resourceType: 'AuditEvent', recorded: '2026-03-01T12:30:00Z', nonsense: 1};
if (f.validate(bad, {errorOnUnexpected: true}).valid) { console.log('the validator accepts anything'); process.exitCode = 1; }
`
	if err := os.WriteFile(filepath.Join(dir, "validate.js"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, o := range []FHIROptions{options(), {Origin: "clinic.example/1"}} {
		f := NewFHIR(&b, o)
		for _, l := range everyKind() {
			if err := f.Write(l); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "events.ndjson"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	run("node", "validate.js", "events.ndjson")
	t.Logf("%d events are valid", bytes.Count(b.Bytes(), []byte("\n")))
}
