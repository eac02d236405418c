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
func speaker(role string) string {
	r := strings.ToLower(role)
	switch {
	case role == "":
		return ""
	case agentRoles[r]:
		return "Agent"
	case callerRoles[r]:
		return "User"
	case len(role) > maxSpeaker || strings.ContainsAny(role, ":\n"):
		return ""
	default:
		return role
	}
}

// maxSpeaker bounds the name of a speaker: what is longer before a colon is a part of what was said.
const maxSpeaker = 40

var (
	agentRoles = map[string]bool{
		"agent": true, "ai": true, "assistant": true, "bot": true, "receptionist": true, "system": true, "operator": true,
		"internal": true, "ai agent": true, "ai receptionist": true, "virtual assistant": true,
		"agent-action": true, "tool": true, "function": true, "tool_call_invocation": true, "tool_call_result": true,
	}
	callerRoles = map[string]bool{
		"user": true, "caller": true, "customer": true, "human": true, "client": true, "external": true, "lead": true,
		"patient": true, "contact": true,
	}
)

// callerLines yields what was said by anyone but the agent: the agent's "Is this an emergency?" makes none. A line
// without a speaker goes on with the one before.
func callerLines(transcript string, yield func(line string) bool) {
	agent := false
	for line := range strings.Lines(transcript) {
		if who, said, ok := strings.Cut(line, ":"); ok && len(who) <= maxSpeaker {
			if who = strings.ToLower(strings.TrimSpace(who)); agentRoles[who] {
				agent = true
			} else if callerRoles[who] {
				agent = false
				line = said
			}
		}
		if !agent && !yield(line) {
			return
		}
	}
}
