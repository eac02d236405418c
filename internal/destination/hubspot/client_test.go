package hubspot

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// ownClient compares requests with the models of HubSpot's own client: no member that its model does not have, none missing
// that it declares as required, and values of the types that it names. The sorts of a search are left out: the models call
// them texts, and the documentation, like the API, objects.
const ownClient = `
const fs = require('fs'), path = require('path');
const root = path.join('node_modules', '@hubspot', 'api-client', 'lib', 'codegen', 'crm');
const complaints = [];
function check(dir, model, value, at) {
  const file = path.join(root, dir, 'models', model), list = /^Array<(.*)>$/.exec(model);
  if (list) {
    if (!Array.isArray(value)) return complaints.push(at + ' is no list');
    return value.forEach((v, i) => check(dir, list[1], v, at + '[' + i + ']'));
  }
  if (/^{ \[key: string\]: string; }$/.test(model)) {
    for (const [k, v] of Object.entries(value)) if (typeof v !== 'string') complaints.push(at + '.' + k + ' is no text');
    return;
  }
  if (!fs.existsSync(file + '.d.ts')) {
    const want = {string: 'string', number: 'number', boolean: 'boolean'}[model] || 'string'; // an enumeration
    if (typeof value !== want) complaints.push(at + ' is ' + typeof value + ', not ' + model);
    return;
  }
  const types = require(path.resolve(file + '.js'))[model].getAttributeTypeMap();
  const text = fs.readFileSync(file + '.d.ts', 'utf8');
  for (const t of types) {
    const required = new RegExp("^ {4}'" + t.name + "': ", 'm').test(text);
    if (required && !(t.baseName in value)) complaints.push(at + ' lacks ' + t.baseName);
  }
  for (const [k, v] of Object.entries(value)) {
    const t = types.find(t => t.baseName === k);
    if (!t) complaints.push(at + ' has ' + k + ', which the model does not');
    else if (k !== 'sorts') check(dir, t.type, v, at + '.' + k);
  }
}
const models = {
  'batch/read': 'BatchReadInputSimplePublicObjectId', 'batch/create': 'BatchInputSimplePublicObjectBatchInputForCreate',
  'batch/update': 'BatchInputSimplePublicObjectBatchInput', 'batch/upsert': 'BatchInputSimplePublicObjectBatchInputUpsert',
  'search': 'PublicObjectSearchRequest',
};
const seen = new Set();
for (const r of JSON.parse(fs.readFileSync(process.argv[2]))) {
  if (/associations/.test(r.path)) {
    seen.add('associate/default');
    check('associations/v4', 'BatchInputPublicDefaultAssociationMultiPost', r.body, 'associate/default');
    continue;
  }
  const [, object, verb] = /objects\/(?:v3\/|20..-..\/)?([a-z]+)\/(.*)$/.exec(r.path);
  seen.add(object + '/' + verb);
  check(/calls|notes/.test(object) ? 'objects/' + object : object, models[verb], r.body, object + '/' + verb);
}
const before = complaints.length;
check('contacts', models['batch/upsert'], {inputs: [{properties: {a: 1}, nonsense: 1}]}, 'control');
if (complaints.splice(before).length !== 3) complaints.push('the check accepts anything');
console.log([...seen].sort().join(' '));
if (complaints.length) { console.log(complaints.join('\n')); process.exitCode = 1; }
`

// TestRequestsSuitHubSpotsOwnClient installs HubSpot's client from npm, so it runs only when asked to.
func TestRequestsSuitHubSpotsOwnClient(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("set CALLGATE_HEAVY=1 to install HubSpot's client and compare requests with its models; it needs npm and a network")
	}
	type request struct {
		Path string          `json:"path"`
		Body json.RawMessage `json:"body"`
	}
	var all []request
	for _, change := range []func(*Config){
		func(c *Config) {
			c.LogCall, c.Note = true, true
			c.Company, c.Deal, c.Ticket = &Step{Properties: map[string]string{"name": "name"}}, &Step{Stage: "1"}, &Step{Stage: "1", Unique: "call_key"}
		},
		func(c *Config) {
			c.LogCall, c.KeepNames, c.API, c.ContactProperty, c.CallProperty = true, true, "2026-03", "call_key", "call_key"
		},
	} {
		c := Config{Token: token, TimeZone: time.UTC}
		change(&c)
		d, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range []func(*call.Call){func(*call.Call) {}, noEmail} {
			// What is there already, an update, is only in a run with answers.
			shown, err := d.Preview([]destination.Item{item(of)})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range shown {
				all = append(all, request{r.URL, json.RawMessage(r.Body)})
			}
		}
	}
	update := appendInputs(nil, []*input{{trace: "t", id: "7", props: []property{{"firstname", "Mike"}}}})
	all = append(all, request{"/crm/v4/associations/companies/contacts/batch/associate/default", json.RawMessage(`{"inputs":[{"from":{"id":"1"},"to":{"id":"2"}}]}`)})
	for _, object := range []string{"contacts", "calls", "notes", "deals", "tickets"} {
		all = append(all, request{"/crm/v3/objects/" + object + "/batch/update", update})
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"check.js": []byte(ownClient), "requests.json": b} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{
		{"npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "@hubspot/api-client@13.5.0"}, {"node", "check.js", "requests.json"},
	} {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command[0], err, out)
		}
		t.Logf("%s", out)
	}
}
