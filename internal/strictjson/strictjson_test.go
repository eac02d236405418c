package strictjson

import (
	"strings"
	"testing"
)

type Inner struct {
	Level int `json:"level"`
}

type object struct {
	Inner
	Name string            `json:"name"`
	List []string          `json:"list"`
	Vars map[string]string `json:"vars"`
	On   bool              `json:"on"`
	Deep struct {
		Level int `json:"level"`
	} `json:"deep"`
}

func TestErrorsNameMembersAndNoValues(t *testing.T) {
	for text, says := range map[string]string{
		`{"name":"x","level":1,"on":true,"deep":{"level":2}}`: "",
		`{"nom":"s3cret"}`:            `there is no member "nom" here`,
		`{"name":7777}`:               `member "name" must be a text`,
		`{"level":"s3cret"}`:          `member "level" must be a number`,
		`{"deep":{"level":"s3cret"}}`: `member "deep.level" must be a number`,
		`{"list":"s3cret"}`:           `member "list" must be a list`,
		`{"vars":"s3cret"}`:           `member "vars" must be an object`,
		`{"on":"s3cret"}`:             `member "on" must be true or false`,
		`["s3cret"]`:                  `the whole must be an object`,
		`{"name":"s3cret"} {}`:        `something after its JSON object`,
		`{"name":s3cret`:              `not a JSON object`,
		``:                            `not a JSON object`,
	} {
		err := Decode([]byte(text), new(object))
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "7777")) {
			t.Errorf("a value is repeated: %v", err)
		}
	}
}

// FuzzDecode: only an object is one.
func FuzzDecode(f *testing.F) {
	f.Add(`{"name":"s3cret-s3cret"}`)
	f.Add(`{"level":"s3cret-s3cret"}`)
	f.Add(`{"deep":{"level":["s3cret-s3cret"]}} x`)
	f.Fuzz(func(t *testing.T, text string) {
		if err := Decode([]byte(text), new(object)); err == nil && !strings.HasPrefix(strings.TrimSpace(text), "{") && strings.TrimSpace(text) != "null" {
			t.Fatalf("%q was read as an object", text)
		}
	})
}
