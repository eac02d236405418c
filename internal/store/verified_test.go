package store

import "testing"

func TestVerifiedIsReadAsItWasWritten(t *testing.T) {
	for _, v := range []Verified{{"nextphone", "js", 2}, {"none", "", 1}, {"retell", "raw", 1}} {
		e := &Event{Header: map[string][]string{VerifiedHeader: {v.String()}}}
		if got := e.VerifiedBy(); got == nil || *got != v {
			t.Errorf("%+v, want %+v", got, v)
		}
	}
	if got := (&Event{}).VerifiedBy(); got != nil {
		t.Errorf("nothing was noted: %+v", got)
	}
	if got := (&Event{Header: map[string][]string{VerifiedHeader: {"secret=x;odd"}}}).VerifiedBy(); got == nil || *got != (Verified{}) {
		t.Errorf("%+v", got)
	}
}
