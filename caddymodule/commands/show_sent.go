package commands

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// printSent prints what each attempt sent, by names. One that sent the same as the attempt before says so.
func (a *display) printSent(out io.Writer, history []operate.AttemptDetail) {
	width := a.width(out)
	var before *store.Sent
	for i := range history {
		s := history[i].Sent
		if s == nil {
			before = nil
			continue
		}
		shared := ""
		if s.Shared > 1 {
			shared = fmt.Sprintf(", in one with %s", plural(s.Shared-1, "other delivery", "other deliveries"))
		}
		// Without a hash nobody knows whether it was the same.
		if before != nil && reflect.DeepEqual(s, before) && s.Requests[len(s.Requests)-1].Hash != "" {
			fmt.Fprintf(out, "  attempt %s sent the same%s\n", attemptName(&history[i]), shared)
			continue
		}
		before = s
		fmt.Fprintf(out, "  attempt %s sent%s:\n", attemptName(&history[i]), shared)
		for j := range s.Requests {
			printRequest(out, &s.Requests[j], width)
		}
		if s.More > 0 {
			fmt.Fprintf(out, "    and %s\n", plural(s.More, "more request", "more requests"))
		}
	}
}

func printRequest(out io.Writer, r *store.SentRequest, width int) {
	host := "through its route"
	if r.Host != "" {
		host = "to " + r.Host
	}
	line := fmt.Sprintf("    %s %s, %s", plain(r.Method), plain(host), plural(int(r.Bytes), "byte", "bytes"))
	if r.Hash != "" {
		line += ", hash " + plain(r.Hash)
	}
	printWrapped(out, strings.Fields(line), "    ", "      ", width)
	if len(r.Fields) == 0 {
		return
	}
	fields := make([]string, len(r.Fields))
	for i, f := range r.Fields {
		fields[i] = plain(f) + ","
	}
	if last := len(fields) - 1; r.MoreFields == 0 {
		fields[last] = strings.TrimSuffix(fields[last], ",")
	} else {
		fields = append(fields, "and", fmt.Sprint(r.MoreFields), "more")
	}
	printWrapped(out, fields, "      ", "      ", width)
}

// printWrapped prints words in lines of a width, 0 for no bound. A word that is longer stands alone, cut.
func printWrapped(out io.Writer, words []string, first, then string, width int) {
	line := first
	for i, w := range words {
		if room := width - len(then); width > 0 && room > 1 && utf8.RuneCountInString(w) > room {
			w = string([]rune(w)[:room-1]) + "…"
		}
		if i > 0 {
			if width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width {
				fmt.Fprintln(out, line)
				line = then
			} else {
				line += " "
			}
		}
		line += w
	}
	fmt.Fprintln(out, line)
}
