package jsonscan

import (
	"bytes"
	"strings"
	"testing"
)

// TestSharedTextsStay: what was read is the reader's, whatever becomes of the Doc and of the text.
func TestSharedTextsStay(t *testing.T) {
	long := strings.Repeat("talk ", 100)
	body := []byte(`{"a":"short","b\u0062":"caf\u00e9","c":"` + long + `","d":"` + long + `\n","e":12,"f":"\u00e9` + long + `"}`)
	for name, share := range map[string]func(*Doc){"shared": (*Doc).Share, "all shared": (*Doc).ShareAll} {
		t.Run(name, func(t *testing.T) { testSharedTextsStay(t, bytes.Clone(body), long, share) })
	}
}

func testSharedTextsStay(t *testing.T, body []byte, long string, share func(*Doc)) {
	var d Doc
	if err := d.Scan(body); err != nil {
		t.Fatal(err)
	}
	share(&d)
	var got []string
	for k, v := range d.Root().Members() {
		got = append(got, k, v.Text())
	}
	clear(body)
	if err := d.Scan([]byte(`{"other":"text that is written over it all"}`)); err != nil {
		t.Fatal(err)
	}
	share(&d)
	for k, v := range d.Root().Members() {
		_ = k + v.Text()
	}
	want := []string{"a", "short", "bb", "café", "c", long, "d", long + "\n", "e", "12", "f", "é" + long}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", got)
	}
}

func TestSharedTextsAreDecodedOnce(t *testing.T) {
	body := sample(t)
	var d Doc
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Scan(body); err != nil {
			t.Fatal(err)
		}
		d.Share()
		for range 3 {
			for k, v := range d.Root().Get("call").Members() {
				if k == v.Text() {
					t.Fatal(k)
				}
			}
		}
	}); n > 2 {
		t.Errorf("%v allocations, want 2", n)
	}
}

func TestAllTextsLieInOnePiece(t *testing.T) {
	body := []byte(`{"a":"short","long":"` + strings.Repeat("talk\\n", 300) + `","n":12.5,"list":["x",null,true]}`)
	var d Doc
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Scan(body); err != nil {
			t.Fatal(err)
		}
		d.ShareAll()
		for k, v := range d.Root().Members() {
			if k == v.Text() {
				t.Fatal(k)
			}
		}
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
