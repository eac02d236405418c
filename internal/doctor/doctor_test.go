package doctor

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func only(t *testing.T, r Report, level Level, says string) {
	t.Helper()
	if len(r) != 1 || r[0].Level != level || !strings.Contains(r[0].Found+" / "+r[0].Do, says) {
		t.Errorf("%+v, want one %s with %q", r, level, says)
	}
}

func TestWeakSecrets(t *testing.T) {
	for value, says := range map[string]string{
		"development-secret-change-me":                     "of an example",
		"My-Password-Is-Longer-Than-Most":                  "of an example",
		"short":                                            "5 characters",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":             "few different",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw":           "",
		"key_4f9a0c2be7d1835566aa01ffe9":                   "",
		"6f1d5a90e8c74b23a1907fd3c5b2e8419d0a7c6e5f4b3a21": "",
	} {
		if got := Weak(value); says == "" && got != "" || !strings.Contains(got, says) {
			t.Errorf("%s: %q, want %q", value, got, says)
		} else if got != "" && strings.Contains(got, value) {
			t.Errorf("%q quotes the secret", got)
		}
	}
}

func TestSecretFilesThatOthersCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows")
	}
	dir := filepath.Join(t.TempDir(), "secrets")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mode, dir os.FileMode
		says      string
	}{
		{0o600, 0o700, ""}, {0o640, 0o700, ""}, {0o644, 0o700, "read by every user"}, {0o660, 0o700, "written by others"}, {0o600, 0o777, "another file in the place"},
	} {
		if err := os.Chmod(file, tt.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, tt.dir); err != nil {
			t.Fatal(err)
		}
		var r Report
		if r.SecretFile("tenant acme", file); tt.says == "" {
			if len(r) > 0 {
				t.Errorf("%v: %+v", tt.mode, r)
			}
			continue
		}
		only(t, r, Warning, tt.says)
	}
	var r Report
	if r.SecretFile("x", filepath.Join(dir, "none")); len(r) > 0 {
		t.Errorf("of a file that is not there: %+v", r)
	}
}

func TestVolumes(t *testing.T) {
	const g = 1 << 30
	for name, tt := range map[string]struct {
		v     Volume
		level Level
		says  string
	}{
		"roomy":   {Volume{Kind: "ext4", Free: 50 * g, Size: 100 * g}, Fine, "50.0 GiB of 100.0 GiB"},
		"a tenth": {Volume{Free: 9 * g, Size: 100 * g}, Warning, "max_size"},
		"small":   {Volume{Free: g / 2, Size: 2 * g}, Warning, "512.0 MiB"},
		"full":    {Volume{Free: g, Size: 100 * g}, Wrong, "503"},
		"nfs":     {Volume{Kind: "nfs", Network: true}, Wrong, "network file system (nfs)"},
		"tmpfs":   {Volume{Kind: "tmpfs", Memory: true}, Wrong, "in memory"},
	} {
		var r Report
		r.addVolume("/x", tt.v)
		if len(r) != 1 || r[0].Level != tt.level || !strings.Contains(r[0].Found+r[0].Do, tt.says) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	var r Report
	if r.addVolume("/x", Volume{}); len(r) > 0 {
		t.Errorf("of what is not known: %+v", r)
	}
}

// TestDisksThatLie: by a clock of the test's, which goes on as each fsync is to take.
func TestDisksThatLie(t *testing.T) {
	dir := t.TempDir()
	for took, tt := range map[time.Duration]struct {
		level Level
		says  string
	}{
		2 * time.Microsecond:   {Warning, "no disk is able to do"},
		400 * time.Microsecond: {Fine, "400µs"},
		80 * time.Millisecond:  {Warning, "each acknowledgement waits"},
	} {
		at := time.Unix(0, 0)
		median, err := syncs(dir, func() time.Time { at = at.Add(took); return at })
		if err != nil || median != took {
			t.Fatalf("%v, %v", median, err)
		}
		var r Report
		r.addSync(dir, median)
		only(t, r, tt.level, tt.says)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAStoreThatIsNotThereYet(t *testing.T) {
	var r Report
	r.Store(filepath.Join(t.TempDir(), "a", "b", "store.db"), time.Now)
	for _, f := range r {
		if strings.Contains(f.Found, "cannot be written") {
			t.Errorf("%+v", f)
		}
	}
}

func TestReportsPutTheWorstFirst(t *testing.T) {
	var r Report
	if r.Worst() != Fine {
		t.Error("an empty report is not fine")
	}
	r.Add("a", Fine, "", "", "")
	r.Add("b", Warning, "", "", "")
	r.Add("c", Note, "", "", "")
	r.Add("d", Wrong, "", "", "")
	r.Add("e", Warning, "", "", "")
	r.Sort()
	var got string
	for _, f := range r {
		got += f.Check
	}
	if got != "dbeca" || r.Worst() != Wrong || r.Count(Warning) != 2 {
		t.Errorf("%s, %s, %d", got, r.Worst(), r.Count(Warning))
	}
}
