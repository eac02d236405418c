package publish

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/standin"
)

// book is a log with its key, as a store keeps it.
type book struct {
	t      testing.TB
	signer *audit.Signer
	key    *audit.Verifier
	public string
	state  audit.State
	leaves []tlog.Hash
}

func newBook(t testing.TB, name string) *book {
	t.Helper()
	private, public, err := audit.GenerateKey(name)
	if err != nil {
		t.Fatal(err)
	}
	b := &book{t: t, public: public}
	if b.signer, err = audit.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	if b.key, err = audit.NewVerifier(public); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *book) Hashes(level int, first int64, n int) ([]tlog.Hash, error) {
	if level > 0 {
		b.t.Errorf("level %d of a small log was read", level)
	}
	return append([]tlog.Hash(nil), b.leaves[first:first+int64(n)]...), nil
}

// write appends n records and signs.
func (b *book) write(n int, why string) Signed {
	b.t.Helper()
	var batch audit.Batch
	batch.Begin(&b.state)
	for range n {
		batch.Add(&audit.Leaf{At: time.Unix(1_700_000_000, 0), Kind: audit.Replay, Why: why})
	}
	b.leaves = audit.LeafHashes(b.leaves, batch.Lines)
	b.state = batch.State()
	return b.sign()
}

func (b *book) sign() Signed {
	b.t.Helper()
	signed, err := b.signer.Sign(b.state)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.key.Open(signed)
	if err != nil {
		b.t.Fatal(err)
	}
	return Signed{Checkpoint: c, Note: signed}
}

func (b *book) prove(_ context.Context, from, size int64) (tlog.TreeProof, error) {
	return tlog.ProveTree(size, from, audit.HashReader(b))
}

func TestWebhook(t *testing.T) {
	r := standin.NewReceiver(t)
	w, err := NewWebhook(r.URL+"/secret-path", nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBook(t, "clinic.example/1")
	c := b.write(3, "")
	if err := w.Send(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got := <-r.Arrived
	if got.Method != http.MethodPost || string(got.Body) != string(c.Note) || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("it got %s %v %s", got.Method, got.Header, got.Body)
	}
	if strings.Contains(w.Name(), "secret") {
		t.Errorf("its name is %s", w.Name())
	}
	for _, status := range []int{301, 404, 500} {
		r.Script(standin.Reply{Status: status, Header: http.Header{"Location": {"/"}}})
		if err := w.Send(t.Context(), c); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), strconv.Itoa(status)) {
			t.Errorf("%d says %v", status, err)
		}
	}
	r.Close()
	if err := w.Send(t.Context(), c); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a server that is gone says %v", err)
	}
	for _, bad := range []string{"", "ops.example.com", "http://ops.example.com", "https://user:pw@ops.example.com", "ftp://x"} {
		if _, err := NewWebhook(bad, nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestFileIsReadBack(t *testing.T) {
	f := NewFile(filepath.Join(t.TempDir(), "checkpoints"))
	b, other := newBook(t, "clinic.example/1"), newBook(t, "clinic.example/2")
	for _, c := range []Signed{b.write(3, ""), other.write(7, ""), b.write(2, "")} {
		if err := f.Send(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	// A crash in the middle of a line spoils that line only.
	whole, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, append(whole, `{"chec`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Send(t.Context(), b.write(1, "")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.key.ReadCheckpoints(text)
	if err != nil || len(got) != 3 || got[0].Size != 3 || got[1].Size != 5 || got[2].Size != 6 {
		t.Errorf("it reads back as %+v, %v", got, err)
	}
	if info, err := os.Stat(f.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if err := NewFile(filepath.Join(t.TempDir(), "no", "where")).Send(t.Context(), b.sign()); err == nil {
		t.Error("a directory that is not there took it")
	}
}

func TestLogIsReadBack(t *testing.T) {
	b := newBook(t, "clinic.example/1")
	c := b.write(4, "")
	core, seen := observer.New(zapcore.InfoLevel)
	if err := NewLog(zap.New(core)).Send(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if seen.Len() != 1 {
		t.Fatalf("%d lines", seen.Len())
	}
	for name, enc := range map[string]zapcore.Encoder{"json": zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), "console": zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())} {
		line, err := enc.EncodeEntry(seen.All()[0].Entry, seen.All()[0].Context)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.key.ReadCheckpoints(line.Bytes()); err != nil || len(got) != 1 || got[0] != c.Checkpoint {
			t.Errorf("%s: %s reads back as %+v, %v", name, line, got, err)
		}
	}
}

var rfc5424 = regexp.MustCompile(`^<109>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [!-~]+ callgate \d+ audit\.checkpoint - (\{"checkpoint":"[ -~]+"\})$`)

// counted reads one message in octet counting.
func counted(t *testing.T, r io.Reader) string {
	t.Helper()
	in := bufio.NewReader(r)
	length, err := in.ReadString(' ')
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
	if err != nil {
		t.Fatal(err)
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(in, message); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("%q follows, %v", rest, err)
	}
	return string(message)
}

func TestSyslog(t *testing.T) {
	b := newBook(t, "clinic.example/1")
	c := b.write(4, "")
	check := func(t *testing.T, message string) {
		t.Helper()
		m := rfc5424.FindStringSubmatch(message)
		if m == nil {
			t.Fatalf("the message is %q", message)
		}
		if got, err := b.key.ReadCheckpoints([]byte("Nov 28 host " + message + "\n")); err != nil || len(got) != 1 || got[0] != c.Checkpoint {
			t.Errorf("it reads back as %+v, %v", got, err)
		}
	}
	server := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer server.Close()
	authority := server.Client().Transport.(*http.Transport).TLSClientConfig
	stream := func(network, address string, secure bool) (net.Listener, func(*testing.T) string) {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		if secure {
			l = tls.NewListener(l, &tls.Config{Certificates: server.TLS.Certificates})
		}
		got := make(chan net.Conn, 1)
		go func() {
			if conn, err := l.Accept(); err == nil {
				if t, ok := conn.(*tls.Conn); ok {
					_ = t.Handshake() // the client waits for it before it sends
				}
				got <- conn
			}
			close(got)
		}()
		return l, func(t *testing.T) string { conn := <-got; defer conn.Close(); return counted(t, conn) }
	}
	for _, scheme := range []string{"tcp", "tls", "unix"} {
		t.Run(scheme, func(t *testing.T) {
			network, address := "tcp", "127.0.0.1:0"
			if scheme == "unix" {
				network, address = "unix", filepath.Join(t.TempDir(), "s")
			}
			l, receive := stream(network, address, scheme == "tls")
			defer l.Close()
			s, err := NewSyslog(scheme+"://"+l.Addr().String(), authority)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := s.Send(ctx, c); err != nil {
				t.Fatal(err)
			}
			check(t, receive(t))
		})
	}
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			address, scheme := "127.0.0.1:0", "udp"
			if network == "unixgram" {
				address, scheme = filepath.Join(t.TempDir(), "g"), "unix"
			}
			l, err := net.ListenPacket(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s, err := NewSyslog(scheme+"://"+l.LocalAddr().String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			message := make([]byte, 4096)
			n, _, err := l.ReadFrom(message)
			if err != nil || n > 2048 {
				t.Fatalf("%d bytes, %v", n, err)
			}
			check(t, string(message[:n]))
		})
	}
	t.Run("a stranger's certificate", func(t *testing.T) {
		l, _ := stream("tcp", "127.0.0.1:0", true)
		defer l.Close()
		s, err := NewSyslog("tls://"+l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), c); err == nil {
			t.Error("it was sent to a stranger")
		}
	})
	for _, bad := range []string{"", "x", "http://a", "tcp://", "unix://", "unix://host/dev/log", "tls://u:p@h", "tcp://h/path", "udp://h?x"} {
		if _, err := NewSyslog(bad, nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if s, err := NewSyslog("tls://logs.example", nil); err != nil || s.Name() != "syslog tls logs.example:6514" {
		t.Errorf("it is %+v, %v", s, err)
	}
}

func TestLineIsPlainJSON(t *testing.T) {
	const text = "a \"quoted\" \\ text\n\n— name π😀\n"
	line := audit.Line([]byte(text))
	var got struct{ Checkpoint string }
	if err := json.Unmarshal(line, &got); err != nil || got.Checkpoint != text {
		t.Errorf("%s reads back as %q, %v", line, got.Checkpoint, err)
	}
	for _, c := range line {
		if c < ' ' || c > '~' {
			t.Errorf("%q is not ASCII", line)
		}
	}
}
