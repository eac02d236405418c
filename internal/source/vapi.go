package source

import (
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// vapi reads Vapi's server messages: {"message": {"type", "call", ...}} (docs.vapi.ai/server-url/events). The links to
// the recording are signed anew on each retry, so the id is made of the type and the call wherever these tell events
// apart.
var vapi = &format{
	identify: func(d *document) Identity {
		m := d.get("message")
		id := Identity{
			EventType: text(m.Get("type")),
			CallID:    first(m.Path("call", "id"), m.Path("chat", "id")),
		}
		switch id.EventType {
		case "end-of-call-report", "assistant-request":
			id.EventID = eventID(id.EventType, id.CallID)
		case "status-update":
			id.EventID = eventID(id.EventType, id.CallID, text(m.Get("status")))
		case "tool-calls":
			id.EventID = eventID(id.EventType, id.CallID, vapiToolCalls(m))
		}
		return id
	},
	read: func(d *draft, doc *document) {
		m := doc.get("message")
		c, artifact, analysis := m.Get("call"), m.Get("artifact"), m.Get("analysis")
		d.Direction = direction(text(c.Get("type")))
		customer, earlier := m.Get("customer"), c.Get("customer")
		d.sides(
			first(customer.Get("number"), customer.Get("sipUri"), earlier.Get("number"), earlier.Get("sipUri"), m.Path("contact", "number")),
			first(m.Path("phoneNumber", "number"), c.Path("phoneNumber", "number"), m.Path("phoneNumber", "sipUri")),
		)
		d.StartedAt = moment(either(m.Get("startedAt"), c.Get("startedAt"), c.Get("createdAt")))
		d.EndedAt = moment(either(m.Get("endedAt"), c.Get("endedAt")))
		d.length(duration(m.Get("durationSeconds"), seconds))
		d.length(duration(m.Get("durationMs"), milliseconds))
		d.Summary = first(analysis.Get("summary"), m.Get("summary"))
		if d.Transcript = first(artifact.Get("transcript"), m.Get("transcript")); d.Transcript == "" {
			d.Transcript = vapiTranscript(artifact.Get("messages"))
		}
		d.RecordingURL = first(artifact.Get("recordingUrl"), artifact.Path("recording", "mono", "combinedUrl"),
			artifact.Path("recording", "stereoUrl"), artifact.Get("presignedMonoUrl"), m.Get("recordingUrl"))
		vapiParams(d, m, artifact, analysis)
		d.person(first(customer.Get("name"), earlier.Get("name"), m.Path("contact", "name")), "", "")
		d.email(first(customer.Get("email"), earlier.Get("email")))
	},
}

// vapiTranscript is the transcript that the messages are. The system's message is the agent's instructions, which nobody
// said.
func vapiTranscript(messages jsonscan.Value) string {
	var b transcriptText
	for t := range messages.Elements() {
		if role := firstOf(t, speakerNames); role != "system" {
			b.turn(speaker(role), firstOf(t, wordNames))
		}
	}
	return b.String()
}

// vapiToolLists are the lists in which a message names the calls of tools that it asks for. All say the same.
var vapiToolLists = []string{"toolCallList", "toolCalls", "toolWithToolCallList"}

// vapiToolCalls joins the ids of the calls of tools that a message asks for; empty if one has none.
func vapiToolCalls(m jsonscan.Value) string {
	var ids []string
	for _, list := range vapiToolLists {
		for t := range m.Get(list).Elements() {
			id := first(t.Get("id"), t.Path("toolCall", "id"))
			if id == "" {
				return ""
			}
			ids = append(ids, id)
		}
		if ids != nil {
			break
		}
	}
	return strings.Join(ids, ",")
}

// vapiTool adds the name of a tool, and the arguments that it is called with.
func vapiTool(d *draft, t jsonscan.Value) {
	f := t.Get("function")
	for _, args := range []jsonscan.Value{t.Get("parameters"), t.Get("arguments"), f.Get("arguments"), f.Get("parameters")} {
		d.collect(args)
		d.collectText(args.Text()) // OpenAI's form has the arguments as JSON in a text
	}
	d.param("tool_name", first(t.Get("name"), f.Get("name")))
}

// vapiParams adds what was collected: the structured data of the analysis and of named outputs, the arguments of
// tools, the variables.
func vapiParams(d *draft, m, artifact, analysis jsonscan.Value) {
	d.collect(analysis.Get("structuredData"))
	for _, output := range artifact.Get("structuredOutputs").Distinct() {
		switch r := output.Get("result"); r.Kind() {
		case jsonscan.Object:
			d.collect(r)
		default:
			d.param(text(output.Get("name")), collected(r))
		}
	}
	for _, list := range vapiToolLists {
		for t := range m.Get(list).Elements() {
			vapiTool(d, t.Get("toolCall"))
			vapiTool(d, t)
		}
	}
	d.collect(m.Path("functionCall", "parameters"))
	d.collect(artifact.Get("variableValues"), "customer", "now", "date", "time", "month", "day", "year", "transport", "phoneNumber")
	d.collect(m.Path("call", "metadata"))
	d.collect(m.Path("call", "assistantOverrides", "variableValues"))
	d.param("campaignId", collected(m.Get("campaignId")))
	d.param("endedReason", collected(m.Get("endedReason")))
	d.param("successEvaluation", collected(analysis.Get("successEvaluation")))
	d.param("status", collected(m.Get("status")))
}
