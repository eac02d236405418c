package destinations

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/standin"
)

// rotating is the configuration of a destination whose token server rotates refresh tokens.
func rotating(r *standin.Receiver, tokens *standin.Token, more string) string {
	return "http " + r.URL + " {\npass_through\noauth2 {\ntoken_url " + tokens.URL + "/token\nclient_id gate\nclient_secret {env.KIND_SECRET}\nrefresh_token refresh-0\n" + more + "\n}\n}"
}

func rotator(t *testing.T) *standin.Token {
	return standin.NewToken(t, standin.TokenConfig{ClientID: "gate", ClientSecret: kindSecret, RefreshToken: "refresh-0", Rotate: true})
}

func TestRotatedTokensOutliveAReload(t *testing.T) {
	tokens, r := rotator(t), standin.NewReceiver(t)
	text := rotating(r, tokens, "")
	before := newKind(t, text)
	before.delivered(t)
	if !before.warned("set refresh_token_file") {
		t.Errorf("no warning about a token in memory: %v", before.logs.All())
	}
	after := newKind(t, text)
	after.delivered(t)
	if tokens.Issued() != 1 {
		t.Errorf("%d tokens for a reload that changed nothing", tokens.Issued())
	}
	changed := newKind(t, rotating(r, tokens, "scope more"))
	changed.delivered(t)
	if got := tokens.Forms()[1].Get("refresh_token"); got != "refresh-1" {
		t.Errorf("the changed configuration began with %s", got)
	}
}

func TestRotatedTokensAreKeptInAFile(t *testing.T) {
	tokens, r := rotator(t), standin.NewReceiver(t)
	file := filepath.Join(t.TempDir(), "token")
	text := rotating(r, tokens, "refresh_token_file "+file)
	first := newKind(t, text)
	first.delivered(t)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if first.logs.FilterLevelExact(zap.WarnLevel).FilterMessageSnippet("memory").Len() > 0 {
		t.Error("warned although there is a file")
	}
	forget(t)
	newKind(t, text).delivered(t)
	if got := tokens.Forms()[1].Get("refresh_token"); got != "refresh-1" {
		t.Errorf("after a restart the token was %s", got)
	}
	// Another first token means that access was granted anew: the file's is of the past.
	forget(t)
	again := newKind(t, strings.Replace(text, "refresh-0", "refresh-2", 1))
	again.delivered(t)
	if got := tokens.Forms()[2].Get("refresh_token"); got != "refresh-2" {
		t.Errorf("with another configured token %s was used", got)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), "refresh-3") {
		t.Errorf("the file holds %s, %v", b, err)
	}
}

// forget makes the process forget all refresh tokens, as a restart does.
func forget(t *testing.T) {
	t.Helper()
	var keys []any
	rotations.Range(func(key, _ any) bool { keys = append(keys, key); return true })
	for _, key := range keys {
		for {
			if n, found := rotations.References(key); !found || n == 0 {
				break
			}
			if _, err := rotations.Delete(key); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestATokenThatCanNotBeKeptIsKeptLater(t *testing.T) {
	tokens, r := rotator(t), standin.NewReceiver(t)
	dir := filepath.Join(t.TempDir(), "run")
	text := rotating(r, tokens, "refresh_token_file "+dir+"/token")
	if _, err := makeKind(t, text, nil); err == nil || !strings.Contains(err.Error(), "there is no directory") {
		t.Errorf("a directory that is not there: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k := newKind(t, text)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	k.delivered(t)
	if k.logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 {
		t.Errorf("logged %v", k.logs.All())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k.delivered(t)
	if b, err := os.ReadFile(dir + "/token"); err != nil || !strings.Contains(string(b), "refresh-1") {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

func TestAFileOfAnotherKindIsNotOverwritten(t *testing.T) {
	tokens, r := rotator(t), standin.NewReceiver(t)
	file := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(file, []byte("my notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := makeKind(t, rotating(r, tokens, "refresh_token_file "+file), nil); err == nil || !strings.Contains(err.Error(), "does not hold a token") {
		t.Errorf("error %v", err)
	}
}

func TestCleanupLetsGo(t *testing.T) {
	forget(t)
	tokens, r := rotator(t), standin.NewReceiver(t)
	k := newKind(t, rotating(r, tokens, ""))
	k.delivered(t)
	held := func() (references int) {
		rotations.Range(func(key, _ any) bool {
			n, _ := rotations.References(key)
			references += n
			return true
		})
		return references
	}
	if n := held(); n != 2 {
		t.Fatalf("the gateway's destination and that of the test hold %d references", n)
	}
	if err := k.module.(*HTTP).Cleanup(); err != nil {
		t.Fatal(err)
	}
	if n := held(); n != 1 {
		t.Errorf("%d references are held after one of two Cleanups", n)
	}
}
