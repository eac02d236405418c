package source

import (
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// The names under which the turns of a conversation carry who spoke and what.
var (
	speakerNames = []string{"role", "speaker", "user", "participant", "participant_type"}
	wordNames    = []string{"message", "content", "text", "transcript"}
)

// turns is a transcript given as a list of turns, as text: "Agent: ..." and "User: ..." line by line. Turns without
// words (calls of tools) are left out, and words that span lines are joined, so that each line is one turn.
func turns(list jsonscan.Value, speakers, words []string) string {
	var b transcriptText
	for t := range list.Elements() {
		said := firstOf(t, words)
		if t.Kind() == jsonscan.String {
			said = text(t)
		}
		b.turn(speaker(firstOf(t, speakers)), said)
	}
	return b.String()
}

// transcriptText is a transcript in the making.
type transcriptText struct{ strings.Builder }

// turn adds a line: who spoke, if that is known, and what.
func (b *transcriptText) turn(who, said string) {
	if said == "" {
		return
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	if who != "" {
		b.WriteString(who)
		b.WriteString(": ")
	}
	at := b.Len()
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if b.Len() > at {
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
}

// speaker is the name that a turn's role has in a transcript.
func speaker(word string) string {
	switch is := roleOf(word); {
	case is == agentRole:
		return "Agent"
	case is == callerRole:
		return "User"
	case len(word) > maxSpeaker || strings.ContainsAny(word, ":\n"):
		return ""
	default:
		return word
	}
}

// maxSpeaker bounds the name of a speaker: what is longer before a colon is a part of what was said.
const maxSpeaker = 40

type role uint8

const (
	noRole role = iota
	agentRole
	callerRole
)

// roleOf is the role that a word names, in any case. The business's own people count as agents.
func roleOf(word string) role {
	var buf [maxSpeaker]byte
	if len(word) > len(buf) {
		return noRole
	}
	for i := range len(word) {
		c := word[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	switch string(buf[:len(word)]) {
	case "agent", "ai", "assistant", "bot", "receptionist", "system", "operator", "internal", "ai agent", "ai receptionist",
		"virtual assistant", "agent-action", "tool", "function", "tool_call_invocation", "tool_call_result":
		return agentRole
	case "user", "caller", "customer", "human", "client", "external", "lead", "patient", "contact":
		return callerRole
	default:
		return noRole
	}
}

// callerLines yields what was said by anyone but the agent: the agent's "Is this an emergency?" makes none. A line
// without a speaker goes on with the one before.
func callerLines(transcript string, yield func(line string) bool) {
	agent := false
	for line := range strings.Lines(transcript) {
		if who, said, ok := strings.Cut(line, ":"); ok {
			if is := roleOf(strings.TrimSpace(who)); is != noRole {
				agent = is == agentRole
				line = said
			}
		}
		if !agent && !yield(line) {
			return
		}
	}
}
