package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/strictjson"
)

// profilesVariable is the variable of the environment with the name of the file of profiles.
const profilesVariable = "CALLGATE_PROFILES"

// profiles are the gateways of a person, by the names that they give them.
type profiles struct {
	Profiles map[string]remote `json:"profiles"`
}

// profilesFile is where the profiles are.
func profilesFile() (string, error) {
	if name := os.Getenv(profilesVariable); name != "" {
		return name, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where the profiles are: %w; set %s to their file", err, profilesVariable)
	}
	return filepath.Join(dir, "callgate", "profiles.json"), nil
}

// fill takes from a profile what no flag has given.
func (r *remote) fill(name string) error {
	file, err := profilesFile()
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there are no profiles: %s is not there", file)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// Who can write there can send passwords to an address of theirs.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read or written by others: chmod 600 %s", file, file)
	}
	text, err := readAtMost(f)
	if err != nil {
		return err
	}
	var all profiles
	if err := strictjson.Decode(text, &all); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	p, ok := all.Profiles[name]
	if !ok {
		return fmt.Errorf("there is no profile %q in %s; there are: %s", name, file, strings.Join(slices.Sorted(maps.Keys(all.Profiles)), ", "))
	}
	// Credentials are those of the address: with another one they would go to somebody else.
	if r.Address != "" && r.Address != p.Address {
		return errors.New("give either --address or --profile")
	}
	r.Address = p.Address
	dir := filepath.Dir(file)
	if r.CACert == "" {
		r.CACert = inDir(dir, p.CACert)
	}
	if r.User+r.PasswordFile+r.TokenFile == "" {
		r.User = p.User
		r.PasswordFile, r.TokenFile = inDir(dir, p.PasswordFile), inDir(dir, p.TokenFile)
	}
	if r.Cert+r.Key == "" {
		r.Cert, r.Key = inDir(dir, p.Cert), inDir(dir, p.Key)
	}
	return nil
}

// inDir is the name of a file as a profile has it: beside the profiles, unless it is absolute.
func inDir(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
