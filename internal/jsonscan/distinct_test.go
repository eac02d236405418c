package jsonscan

import (
	"fmt"
	"strings"
	"testing"
)

// TestDistinctAgreesWithGet gives objects with duplicates, of few members and of many.
func TestDistinctAgreesWithGet(t *testing.T) {
	many := new(strings.Builder)
	for i := range 200 {
		fmt.Fprintf(many, `"k%d":%d,`, i%90, i)
	}
	for text, want := range map[string]string{
		`{}`:                                    "",
		`{"a":1,"b":2}`:                         "a=1 b=2 ",
		`{"a":1,"b":2,"a":3}`:                   "b=2 a=3 ",
		`{"a":{"a":0,"b":0},"b":2,"a":3,"a":4}`: "b=2 a=4 ",
		`{"\u0061":1,"a":2,"b":3,"\u0062":4}`:   "a=2 b=4 ",
		`{"aa":1,"ab":2,"ba":3}`:                "aa=1 ab=2 ba=3 ",
		`{` + many.String() + `"\u006b0":"x"}`:  "",
	} {
		var d Doc
		if err := d.Scan([]byte(text)); err != nil {
			t.Fatal(err)
		}
		got, keys := "", map[string]bool{}
		for k, v := range d.Root().Distinct() {
			got += k + "=" + v.Text() + " "
			if keys[k] {
				t.Errorf("%.60s: %s comes twice", text, k)
			}
			if keys[k] = true; v != d.Root().Get(k) {
				t.Errorf("%.60s: %s is %s, and %s to Get", text, k, v.Raw(), d.Root().Get(k).Raw())
			}
		}
		if want != "" && got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if strings.Contains(text, "k89") && len(keys) != 90 {
			t.Errorf("%d members, want 90", len(keys))
		}
	}
}
