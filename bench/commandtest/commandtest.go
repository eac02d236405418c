// Package commandtest runs a measuring command within a test.
package commandtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Run runs a command and reads its result, which it lets it write to a file. Output is what it has printed.
func Run(t testing.TB, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error, result any, args ...string) (stdout, stderr string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the load generator reads CPU times from /proc, which only Linux has")
	}
	out := filepath.Join(t.TempDir(), "result.json")
	var output, progress bytes.Buffer
	if err := run(t.Context(), append(args, "-o", out), &output, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.Bytes())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, result); err != nil {
		t.Fatal(err)
	}
	return output.String(), progress.String()
}
