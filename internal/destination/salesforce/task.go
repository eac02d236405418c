package salesforce

import (
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// task is the log of one call: a completed Task of the record.
type task struct {
	key    string
	id     string // of the Task that is there already
	values []value
	done   bool
}

// newTask fills the log. Its values are those that the call has, so that a later event of the call adds to it. id is that
// of the log that is there already, empty when none is known, and more is what else its description says.
func (d *Destination) newTask(it *destination.Item, key, id, more string) *task {
	c := it.Call
	t := &task{key: key, id: id}
	set := func(name, text string, raw bool) {
		if text == "" {
			return
		}
		if limit := d.taskSizes.of(name); limit > 0 {
			text, _ = truncate(text, limit)
		}
		t.values = append(t.values, value{name, text, raw})
	}
	subject, kind := "Call", ""
	switch c.Direction {
	case call.Inbound:
		subject, kind = "Inbound call", "Inbound"
	case call.Outbound:
		subject, kind = "Outbound call", "Outbound"
	}
	if name := c.Name(); name != "" {
		subject += ": " + name
	}
	set("Subject", subject, false)
	set("Status", "Completed", false)
	if id == "" {
		// Tasks keep the subtype that they were created with: Salesforce refuses it in an update.
		//
		// Guessed: that the subtype of a task cannot be updated is from the reports of those who tried; the Object Reference's
		// own page could not be read as far as that field.
		set(taskSubtype, "Call", false)
	}
	set("CallType", kind, false)
	if c.Urgent {
		set("Priority", "High", false) // never lowered: a later event of the call may just not know
	}
	if c.Duration != nil && *c.Duration >= 0 {
		set("CallDurationInSeconds", strconv.Itoa(*c.Duration), true)
	}
	set("CallObject", key, false)
	if at := calledAt(it); !at.IsZero() {
		set("ActivityDate", at.In(d.cfg.TimeZone).Format(time.DateOnly), false)
	}
	var parts []string
	if c.CallbackRequested {
		parts = append(parts, "Callback requested")
	}
	for _, p := range []struct{ title, text string }{
		{"", c.Message}, {"", c.Summary}, {"", more}, {"Recording: ", c.RecordingURL}, {"Transcript:\n", c.Transcript},
	} {
		if p.text != "" {
			text, _ := truncate(p.text, d.taskSizes.of("Description")) // before it is copied
			parts = append(parts, p.title+text)
		}
	}
	set("Description", strings.Join(parts, "\n\n"), false)
	return t
}

// relation is the field of a Task that points to the record: people by WhoId, everything else by WhatId.
func (d *Destination) relation() string {
	if d.cfg.Object == "Lead" || d.cfg.Object == "Contact" {
		return "WhoId"
	}
	return "WhatId"
}

// taskSubtype is the field that can be written when a Task is created, and not afterwards.
const taskSubtype = "TaskSubtype"

// relog makes the call's log an update of the one that is there.
func (d *Destination) relog(w *write, id string) {
	w.logID = id
	if w.task != nil {
		w.task = d.newTask(w.record.item, w.record.key, id, d.unsaid(w))
	}
}

// amend leaves out what Salesforce does not take of a log; it is better than none.
func (t *task) amend(errs []apiError) (dropped []string, ok bool) {
	for _, e := range errs {
		fields := e.Fields
		if f := unknownColumn(e.Message); len(fields) == 0 && f != "" {
			fields = []string{f}
		}
		if len(fields) == 0 || !e.aboutField() {
			return dropped, false
		}
		r := record{values: t.values}
		for _, f := range fields {
			// Without CallObject the next event would not find the log.
			if f == "CallObject" || !r.drop(f) {
				return dropped, false
			}
			dropped = append(dropped, f)
		}
		t.values = r.values
	}
	return dropped, len(dropped) > 0
}
