package lanes

import (
	"testing"
)

func FuzzKey(f *testing.F) {
	f.Add("01JQ0000000000000000000000.0")
	f.Add("01JQ0000000000000000000000.00")
	f.Add("01JQ0000000000000000000000")
	f.Add(".")
	f.Fuzz(func(t *testing.T, id string) {
		key, err := ParseKey(id)
		if err != nil {
			return
		}
		again, err := ParseKey(key.String())
		if err != nil || again != key {
			t.Errorf("%q is read as %v, which is read as %v, %v", id, key, again, err)
		}
	})
}
