package secret

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSecretsWithoutAValueSayWhoLacksIt(t *testing.T) {
	t.Setenv("SECRET_EMPTY", "")
	t.Setenv("SECRET_SET", "s3cr3t")
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "break": "\n", "set": "s3cr3t\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"{env.SECRET_UNSET}":           "{env.SECRET_UNSET} has no value: the environment of the running gateway has no SECRET_UNSET",
		"{env.SECRET_EMPTY}":           "the environment of the running gateway has no SECRET_EMPTY",
		"{file." + dir + "/not_there}": "the running gateway can not read the file: no such file or directory",
		"{file." + dir + "}":           "the running gateway can not read the file: is a directory",
		"{file." + dir + "/empty}":     "/empty} has no value: the file is empty",
		"{file." + dir + "/break}":     "/break} has no value: the file is empty",
	} {
		if v, err := Resolve(text); !errors.Is(err, ErrNoValue) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %q, %v\nwant %s", text, v, err, want)
		}
	}
	for _, text := range []string{"{env.SECRET_SET}", "{file." + dir + "/set}", "s3cr3t"} {
		if v, err := Resolve(text); err != nil || v != "s3cr3t" {
			t.Errorf("%s is %q, %v", text, v, err)
		}
	}
	for _, text := range []string{"ab{s3cr3t}cd", "ab{env.s3cr3t}cd", "", "{unknown.kind}"} {
		if v, err := Resolve(text); err == nil || errors.Is(err, ErrNoValue) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q is %q, %v", text, v, err)
		}
	}
	if _, err := ResolveText("https://{env.SECRET_SET}.example/{env.SECRET_UNSET}"); err == nil || strings.Contains(err.Error(), "SECRET_SET}") || !strings.Contains(err.Error(), "{env.SECRET_UNSET} has no value") {
		t.Errorf("error %v", err)
	}
}

// TestSecretsOfAListMayBeMissing but not all of them, and none for another reason.
func TestSecretsOfAListMayBeMissing(t *testing.T) {
	t.Setenv("SECRET_A", "a")
	t.Setenv("SECRET_B", "b")
	for _, c := range []struct {
		in, want []string
		leftOut  int
		err      string
	}{
		{in: nil},
		{in: []string{"{env.SECRET_A}", "{env.SECRET_B}"}, want: []string{"a", "b"}},
		{in: []string{"{env.SECRET_A}", "{env.SECRET_OLD}"}, want: []string{"a"}, leftOut: 1},
		{in: []string{"{env.SECRET_NEW}", "{env.SECRET_B}", "{file./not/there}"}, want: []string{"b"}, leftOut: 2},
		{in: []string{"{env.SECRET_NEW}"}, err: "secret 1: {env.SECRET_NEW} has no value"},
		{in: []string{"{env.SECRET_NEW}", "{env.SECRET_OLD}"}, err: "secret 1: {env.SECRET_NEW} has no value"},
		{in: []string{"{env.SECRET_A}", "x{y}z"}, err: "secret 2: braces that are no placeholder"},
		{in: []string{"{env.SECRET_A}", ""}, err: "secret 2: is empty"},
	} {
		leftOut := 0
		got, err := ResolveList("secret", c.in, func(err error) {
			leftOut++
			if !errors.Is(err, ErrNoValue) {
				t.Errorf("left out: %v", err)
			}
		})
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || !slices.Equal(got, c.want) || leftOut != c.leftOut {
			t.Errorf("%q are %q with %d left out, %v", c.in, got, leftOut, err)
		}
	}
}
