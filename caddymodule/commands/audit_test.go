package commands

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/standin"
)

// leafHashes are the hashes of a log with fewer than 256 records.
type leafHashes []tlog.Hash

func (l leafHashes) Hashes(_ int, first int64, n int) ([]tlog.Hash, error) {
	return append([]tlog.Hash(nil), l[first:first+int64(n)]...), nil
}

// anExport makes a key with the command, and files of a log that it signs: an export from a record on, and the checkpoints
// of 3 and all 9 records.
func anExport(t *testing.T, first int64) (dir, key string) {
	t.Helper()
	dir = t.TempDir()
	key = filepath.Join(dir, "audit.key")
	if status, public, errs := program(t, "audit", "keygen", key, "--name", "clinic.example/1"); status != 0 || !strings.HasPrefix(public, "clinic.example/1+") {
		t.Fatal(status, public, errs)
	}
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(string(private))
	if err != nil {
		t.Fatal(err)
	}
	var b audit.Batch
	var checkpoints [][]byte
	sign := func() {
		signed, err := signer.Sign(b.State())
		if err != nil {
			t.Fatal(err)
		}
		checkpoints = append(checkpoints, signed)
	}
	b.Begin(new(audit.State))
	for i := range 9 {
		b.Add(&audit.Leaf{At: time.Unix(1_767_225_600+int64(i), 0), Kind: audit.Attempt, Event: "evt", Why: "=1+1", To: []audit.Recipient{{Name: "crm", Host: "crm.example"}}})
		if i == 2 || i == 8 {
			sign()
		}
	}
	var out bytes.Buffer
	x, err := audit.NewExporter(&out, audit.Export{Origin: "clinic.example/1", First: first, Size: 9}, audit.HashReader(leafHashes(audit.LeafHashes(nil, b.Lines))))
	if err != nil {
		t.Fatal(err)
	}
	seq := int64(0)
	for line := range audit.Lines(b.Lines) {
		if seq >= first {
			if err := x.Line(line); err != nil {
				t.Fatal(err)
			}
		}
		seq++
	}
	if err := x.Checkpoint(checkpoints[1], 9); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"export": out.Bytes(), "old": checkpoints[0], "new": checkpoints[1],
		"both": append(append(audit.Line(checkpoints[0]), '\n'), audit.Line(checkpoints[1])...)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, "@" + key + ".pub"
}

// bend changes a file.
func bend(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bent := strings.Replace(string(text), from, to, 1)
	if bent == string(text) {
		t.Fatalf("%s has no %q", file, from)
	}
	if err := os.WriteFile(file, []byte(bent), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAuditVerify(t *testing.T) {
	dir, key := anExport(t, 0)
	in := func(name string) string { return filepath.Join(dir, name) }
	const right = "The records 0 to 8 of clinic.example/1 are as they were written, by 1 checkpoint.\n"
	for _, c := range []struct {
		args       []string
		want, errs string
	}{
		{[]string{in("export"), "--public-key", key}, right + "No older checkpoint was given (--since), so whoever has the key could have written them anew.\n", ""},
		{[]string{in("export"), "--public-key", key, "--since", in("old"), "--since", in("both")}, right + "They have grown out of the 3 older checkpoints that were given.\n", ""},
		{[]string{in("export"), "--public-key", key, "--since", in("new")}, right + "They have grown out of the 1 older checkpoint that were given.\n", ""},
		{[]string{in("export")}, "", "give --public-key"},
		{[]string{"--public-key", key}, "", "give the export that is to be verified"},
		{[]string{in("export"), "--public-key", "x"}, "", "not a public key"},
		{[]string{in("nowhere"), "--public-key", key}, "", "no such file"},
		{[]string{in("export"), "--public-key", key, "--since", in("export.pub")}, "", "no such file"},
		{[]string{in("export"), "--public-key", key, "--since", in("audit.key.pub")}, "", "there is no checkpoint"},
		{[]string{in("export"), "--public-key", key, "--witness", key}, "", "not the public key of a witness"},
		{[]string{in("old"), "--public-key", key}, "", "not an export"},
	} {
		status, out, errs := program(t, append([]string{"audit", "verify"}, c.args...)...)
		if out != c.want || (status == 0) != (c.errs == "") || !strings.Contains(errs, c.errs) {
			t.Errorf("%v: %d\n%s\n%s", c.args, status, out, errs)
		}
	}
	bend(t, in("export"), `"seq":4,"at":"2026`, `"seq":4,"at":"2027`)
	if status, out, errs := program(t, "audit", "verify", in("export"), "--public-key", key); status != 1 || out != "" || errs != "Error: record 4: it was changed\n" {
		t.Errorf("of a record that was changed it says %d\n%s\n%s", status, out, errs)
	}
	_, foreign := anExport(t, 0)
	if status, _, errs := program(t, "audit", "verify", in("export"), "--public-key", foreign); status != 1 || !strings.Contains(errs, "has not signed") {
		t.Errorf("with a foreign key it says %d, %s", status, errs)
	}
	dir, key = anExport(t, 5)
	if status, out, errs := program(t, "audit", "verify", in("export"), "--public-key", key); status != 0 || !strings.Contains(out, "The records 5 to 8") || !strings.Contains(out, "The 5 records before them are not in this export.") {
		t.Errorf("of a part it says %d\n%s\n%s", status, out, errs)
	}
	if status, _, errs := program(t, "audit", "verify", in("export"), "--public-key", key, "--since", in("old")); status != 1 || !strings.Contains(errs, "no proof") {
		t.Errorf("of a part and a checkpoint before it, it says %d, %s", status, errs)
	}
}

func TestAuditVerifyAsksForTheWitness(t *testing.T) {
	dir, key := anExport(t, 0)
	public, err := os.ReadFile(strings.TrimPrefix(key, "@"))
	if err != nil {
		t.Fatal(err)
	}
	w := standin.NewWitness(t, "witness.example/w1", strings.TrimSpace(string(public)))
	args := []string{"audit", "verify", filepath.Join(dir, "export"), "--public-key", key, "--witness", w.Key}
	if status, _, errs := program(t, args...); status != 1 || !strings.Contains(errs, "the witness has not cosigned") {
		t.Errorf("without a cosignature it says %d, %s", status, errs)
	}
	checkpoint, err := os.ReadFile(filepath.Join(dir, "new"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.Client().Post(w.URL+"/add-checkpoint", "text/plain", strings.NewReader("old 0\n\n"+string(checkpoint)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(res.Body); err != nil || res.StatusCode != 200 {
		t.Fatal(res.Status, err)
	}
	escaped := func(b []byte) string {
		text, err := json.Marshal(string(b))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Trim(string(text), `"`)
	}
	bend(t, filepath.Join(dir, "export"), escaped(checkpoint), escaped(append(checkpoint, answer.Bytes()...)))
	if status, out, errs := program(t, args...); status != 0 || !strings.Contains(out, "witness.example/w1 has cosigned the last one on 20") {
		t.Errorf("with a cosignature it says %d\n%s\n%s", status, out, errs)
	}
}

func TestAuditProve(t *testing.T) {
	for _, first := range []int64{0, 5} {
		dir, key := anExport(t, first)
		export := filepath.Join(dir, "export")
		status, proof, errs := program(t, "audit", "prove", "6", "--from", export, "--public-key", key)
		if status != 0 {
			t.Fatal(errs)
		}
		file := write(t, "proof", proof)
		status, out, errs := program(t, "audit", "prove", "--check", file, "--public-key", key)
		if status != 0 || !strings.HasPrefix(out, `{"v":1,"seq":6,`) || !strings.HasSuffix(out, "It is record 6 of clinic.example/1, by a checkpoint of 9 records.\n") {
			t.Errorf("it says %d\n%s\n%s", status, out, errs)
		}
		bend(t, file, "index 6", "index 7")
		for _, c := range []struct {
			args []string
			errs string
		}{
			{[]string{"--check", file, "--public-key", key}, "the proof does not hold"},
			{[]string{"--check", export, "--public-key", key}, "not the proof of a record"},
			{[]string{"9", "--from", export, "--public-key", key}, "and not 9"},
			{[]string{"six", "--from", export, "--public-key", key}, "not the seq of a record"},
			{[]string{"6", "--from", export}, "give --public-key"},
			{[]string{"six"}, "not the seq of a record"},
			{nil, "give a record, and"},
			{[]string{"--from", export, "--public-key", key}, "give a record, and"},
			{[]string{"6", "--from", export, "--check", file, "--public-key", key}, "give a record, and"},
			{[]string{"6", "--check", file, "--public-key", key}, "give a record, and"},
		} {
			if status, out, errs := program(t, append([]string{"audit", "prove"}, c.args...)...); status != 1 || out != "" || !strings.Contains(errs, c.errs) {
				t.Errorf("%v: %d\n%s\n%s", c.args, status, out, errs)
			}
		}
	}
}

func TestAuditConvert(t *testing.T) {
	dir, key := anExport(t, 0)
	export := filepath.Join(dir, "export")
	status, out, errs := program(t, "audit", "convert", export, "--to", "csv", "--public-key", key)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if status != 0 || err != nil || len(rows) != 10 || rows[0][0] != "seq" || rows[9][0] != "8" || !strings.Contains(out, ",'=1+1,") {
		t.Errorf("as CSV it is %d\n%s\n%s", status, out, errs)
	}
	status, out, errs = program(t, "audit", "convert", export, "--to", "fhir", "--host", "gw.example", "--public-key", key)
	var last struct {
		ResourceType, ID string
		Meta             any
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); status != 0 || err != nil || len(lines) != 9 || last.ResourceType != "AuditEvent" || last.ID != "seq-8" || last.Meta != nil {
		t.Errorf("as FHIR it is %d\n%s\n%s", status, out, errs)
	}
	if status, out, errs := program(t, "audit", "convert", export, "--public-key", key); status != 1 || out != "" || !strings.Contains(errs, "--to csv or --to fhir") {
		t.Errorf("without a form it says %d, %s, %s", status, out, errs)
	}
	bend(t, export, "crm.example", "crn.example")
	if status, out, errs := program(t, "audit", "convert", export, "--to", "csv", "--public-key", key); status != 1 || out != "" || !strings.Contains(errs, "record 0: it was changed") {
		t.Errorf("of an export that is not right it wrote %d\n%s\n%s", status, out, errs)
	}
}

func TestAuditKeygen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "k")
	for _, c := range []struct {
		args []string
		errs string
	}{
		{[]string{"keygen", file}, "give --name"},
		{[]string{"keygen", file, "--name", "a b"}, "the name of an audit log"},
		{[]string{"nonsense"}, "unknown command"},
	} {
		if status, _, errs := program(t, append([]string{"audit"}, c.args...)...); status != 1 || !strings.Contains(errs, c.errs) {
			t.Errorf("%v: %d, %s", c.args, status, errs)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a key was made all the same")
	}
	if status, _, errs := program(t, "audit", "keygen", file, "--name", "x"); status != 0 {
		t.Error(errs)
	}
	if status, _, errs := program(t, "audit", "keygen", file, "--name", "x"); status != 1 || !strings.Contains(errs, "there already") {
		t.Errorf("a second time it says %d, %s", status, errs)
	}
	var names, within []string
	for _, c := range auditCommands {
		names, within = append(names, c.name), append(within, "callgate "+c.name)
	}
	inProgram, inPlugin := helps(t, "callgate", names...), helps(t, "plugin", within...)
	for i, c := range auditCommands {
		name := strings.TrimPrefix(c.name, "audit ")
		help, plugin := inProgram[i], inPlugin[i]
		if !strings.Contains(help, "xit status") || !strings.Contains(help, "\n  callgate audit "+name+" ") || !strings.Contains(plugin, "\n  caddy callgate audit "+name+" ") || strings.Contains(help+plugin, "caddyserver.com") {
			t.Errorf("the help of %s is\n%s\n%s", c.name, help, plugin)
		}
	}
}
