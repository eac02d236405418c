package source

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

// Setup is what an operator does at a sender so that its events come to a gateway: texts for a checklist, on a page or in a
// terminal. They are whole sentences.
type Setup struct {
	// Steps are done in this order. The gateway's address is written where {url} stood.
	Steps []string
	// Secret says what the gateway's secret, or public key, for this sender is and where it is found.
	Secret string
	// Mind is what else an operator has to know of the sender: how long it waits, whether it sends again, what it does to an
	// address that fails.
	Mind []string
	// Unseen reports that the steps are not from the vendor's own page, so that names in its product may differ.
	Unseen bool
}

// setup is a row of the tables in setups.go: a Setup without what follows from the preset.
type setup struct {
	steps  []string
	secret string
	mind   []string
	seen   bool // at the vendor's own page
}

// Setup is the checklist of the preset's sender. url is the address that the sender is given; empty where it is not known
// yet, and then "the gateway's URL" stands for it.
func (p *Preset) Setup(url string) Setup {
	row := setups[p.Name]
	if url == "" {
		url = "the gateway's URL"
	}
	s := Setup{Secret: row.secret, Mind: slices.Clone(row.mind), Unseen: !row.seen}
	for _, step := range row.steps {
		s.Steps = append(s.Steps, strings.ReplaceAll(step, "{url}", url))
	}
	if info, ok := signature.Lookup(p.Scheme); ok && info.SignsURL {
		s.Mind = append(s.Mind, "It signs the URL, so the gateway has to see the one that the sender was given: write public_url where a proxy before it changes that.")
	}
	if p.Timeout > 0 {
		s.Mind = append(s.Mind, fmt.Sprintf("It waits %s for an answer.", wait(p.Timeout)))
	}
	switch {
	case p.RetriesClientErrors:
		s.Mind = append(s.Mind, "It sends again what was refused or not answered.")
	case p.Retries:
		s.Mind = append(s.Mind, "It sends again after a 5xx or no answer, and is not known to after a 4xx.")
	default:
		s.Mind = append(s.Mind, "It is not known to send again by itself, so what the gateway cannot take is lost: use deliver or spool, which store the call before it is answered.")
	}
	if len(p.Synchronous) > 0 {
		s.Mind = append(s.Mind, "It waits for what the answer says to "+strings.Join(p.Synchronous, ", ")+": have these handed on to something that can answer.")
	}
	return s
}

func wait(d time.Duration) string {
	if d == time.Second {
		return "1 second"
	}
	return fmt.Sprintf("%g seconds", d.Seconds())
}
