package sqlite

import "testing"

func FuzzDeliveryID(f *testing.F) {
	f.Add("01JQ0000000000000000000000.0")
	f.Add("01JQ0000000000000000000000.00")
	f.Add("01JQ0000000000000000000000")
	f.Add(".")
	f.Fuzz(func(t *testing.T, id string) {
		key, err := parseDeliveryID(id)
		if err != nil {
			return
		}
		again, err := parseDeliveryID(key.String())
		if err != nil || again != key {
			t.Errorf("%q is read as %v, which is read as %v, %v", id, key, again, err)
		}
	})
}
