package audit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/note"
)

// GenerateKey makes the key pair of a log, each half a line as in C2SP's signed-note: the private key begins with
// PRIVATE+KEY+, and the public one with the name. The name is the log's, for all time: such as clinic.example/callgate/1,
// without spaces, control characters and +.
func GenerateKey(name string) (private, public string, err error) {
	if err := checkName(name); err != nil {
		return "", "", err
	}
	return note.GenerateKey(rand.Reader, name)
}

func checkName(name string) error {
	bad := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '+' }
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, bad) {
		return errors.New("the name of an audit log has 1 to 200 characters, none of them a space, a control character or +; such as clinic.example/callgate/1")
	}
	return nil
}

// WriteKeyFiles writes a new key pair to a file that its owner alone can read, and to the same name with .pub. Neither may
// be there.
func WriteKeyFiles(file, name string) (public string, err error) {
	private, public, err := GenerateKey(name)
	if err != nil {
		return "", err
	}
	if err := writeNew(file, private, 0o600); err != nil {
		return "", err
	}
	if err := writeNew(file+".pub", public, 0o644); err != nil {
		return "", errors.Join(err, os.Remove(file))
	}
	return public, nil
}

func writeNew(file, line string, mode os.FileMode) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; a key that is overwritten is lost, and what it signed cannot be told from what another signed: choose another name", file)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(file))
		}
	}()
	if _, err := f.WriteString(line + "\n"); err != nil {
		return err
	}
	return f.Sync()
}
