package source

import (
	"strings"
	"testing"
)

// plainly is phrases.in without its tables: it compares every phrase at every place.
func (p *phrases) plainly(s string, wanted marks) (found marks) {
	for i := range len(s) {
		for _, w := range p.list {
			end := i + len(w.text)
			if w.mark&wanted != 0 && end <= len(s) && !wordBefore(s, i) && strings.EqualFold(s[i:end], w.text) &&
				!wordAfter(s, end) && !denied(s[:i]) && !answeredNo(s[end:]) {
				found |= w.mark
			}
		}
	}
	return found
}

// FuzzPhrases: looking at three bytes before comparing misses nothing, whatever the words and the text.
func FuzzPhrases(f *testing.F) {
	for _, s := range []string{
		"", "e", "it is URGENT", "no emergency, but call  me back", "please call me back, asap", "éurgent é urgent", "\xffasap", "x",
		"ÜBERFLUTUNG im Keller", "überflutung", "\u212aeller \u017fofort", "callback?no callback: yes", "a call back",
	} {
		f.Add(s, "Überflutung|x|Keller|sofort")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, s, words string) {
		var p phrases
		p.add(urgency.words, urgentMark)
		p.add(callback.words, callbackMark)
		p.add(strings.Split(words, "|"), urgentMark)
		for _, wanted := range []marks{urgentMark, callbackMark, allMarks} {
			if got, want := p.in(s, wanted), p.plainly(s, wanted); got != want {
				t.Fatalf("%q, of %b: got %b, want %b", s, wanted, got, want)
			}
		}
	})
}
