package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

// reveal is whether a listing shows who called, and why.
type reveal struct {
	on  bool
	why string
	// seen are the callers of events that were revealed already: several deliveries are of one event.
	seen map[string]string
}

// maxRevealed is how many rows a listing with callers has at most: each of their events is revealed and recorded alone.
const maxRevealed = 100

const revealHelp = `

With --reveal it also shows who called. That is content: it takes a reason, which is given with --why since --reason is a
part of the filter, and the gateway records each event that is listed as one that you looked at. It is for those whom the
dashboard gives the capability reveal; see show --help.`

func (r *reveal) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.on, "reveal", false, "also show who called; each event is recorded as looked at")
	cmd.Flags().StringVar(&r.why, "why", "", "why you look at it, for the record; needed with --reveal")
}

// check looks at the flags, and at the limit of the listing.
func (r *reveal) check(limit int) error {
	switch {
	case r.on && r.why == "":
		return errors.New("--reveal takes a --why: why you look at who called, for the gateway's record")
	case !r.on && r.why != "":
		return errors.New("--why is for --reveal")
	case r.on && (limit == 0 || limit > maxRevealed):
		return fmt.Errorf("--reveal is for %d rows at most, because each is recorded as looked at: give a lower --limit, and a filter", maxRevealed)
	}
	return nil
}

// column adds the column of the callers.
func (r *reveal) column(t *table) {
	if r.on {
		t.columns = append(t.columns, column{"CALLER", 0, 0})
	}
}

// cells are those of a row, with the caller at their end.
func (r *reveal) cells(caller string, cells ...string) []string {
	if r.on {
		return append(cells, caller)
	}
	return cells
}

// callerOf reveals who called in an event; empty where nobody asked, or the call has no number.
func (l *listing) callerOf(event string) (string, error) {
	r := &l.reveal
	if !r.on {
		return "", nil
	}
	if caller, ok := r.seen[event]; ok {
		return caller, nil
	}
	var e operate.EventDetail
	if err := l.admin.ask(http.MethodPost, adminPath+"events/"+escaped(event)+"/content", map[string]string{"reason": r.why}, &e); err != nil {
		return "", err
	}
	var record struct {
		CallerNumber string `json:"caller_number"`
	}
	if e.Content != nil && len(e.Content.Record) > 0 {
		if err := json.Unmarshal(e.Content.Record, &record); err != nil {
			return "", errors.New("the call record of event " + event + " cannot be read; has the gateway the version of this command?")
		}
	}
	if r.seen == nil {
		r.seen = map[string]string{}
	}
	r.seen[event] = record.CallerNumber
	return record.CallerNumber, nil
}

// revealedPage is a listing in JSON, as the gateway gives it, and with the callers where they were asked for.
type revealedPage struct{ rows []json.RawMessage }

func (p *revealedPage) add(row any, caller string) {
	text, err := json.Marshal(row)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	if caller != "" {
		number, _ := json.Marshal(caller) // a text is always JSON
		text = append(bytes.TrimSuffix(text, []byte("}")), `,"caller_number":`+string(number)+"}"...)
	}
	p.rows = append(p.rows, text)
}

func (p *revealedPage) print(out io.Writer, name, next string) error {
	rows := p.rows
	if rows == nil {
		rows = []json.RawMessage{}
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	page := `{"` + name + `":` + string(list)
	if next != "" {
		text, _ := json.Marshal(next) // a text is always JSON
		page += `,"next":` + string(text)
	}
	return printJSON(out, json.RawMessage(page+"}"))
}
