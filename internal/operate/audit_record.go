package operate

import (
	"context"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/callgate/callgate/internal/audit"
)

// by has the audit log know who does what is done with the context.
func (a Actor) by(ctx context.Context) context.Context {
	if audit.ActorOf(ctx) != (audit.Actor{}) {
		return ctx // the face knows more of them
	}
	l := audit.Actor{Type: audit.ActorUser, ID: a.Name, Role: strings.Join(a.Roles, ","), Via: a.Via}
	switch {
	case a.Via == "command":
		l.Type = audit.ActorClaimed
	case a.Name == "":
		l.Type = audit.ActorLocal
	}
	return audit.By(ctx, l)
}

// kindsOf are the kinds of records of what operators ask for. An operation that is not here is an audit.Kind of its own
// name; those of unrecorded show no call, are asked for every few seconds, and are recorded only when they are denied.
var kindsOf = map[string]audit.Kind{
	"Events": audit.List, "Deliveries": audit.List, "Tail": audit.List, "Event": audit.Show, "RevealEvent": audit.Reveal,
	"Replay": audit.Replay, "SendNow": audit.SendNow, "Cancel": audit.Cancel, "Pause": audit.Pause, "Resume": audit.Resume,
	"Erase": audit.Erase, "Rekey": audit.Rekey, "RekeyTenants": audit.Rekey,
	"DataKeys": audit.List, "CheckDataKeys": audit.List, "RotateDataKey": audit.KeyRotated, "DestroyDataKeys": audit.KeyDestroyed,
	"Rotations": audit.List, "AuditTail": audit.List,
	"Documents": audit.List, "DocumentVersions": audit.List, "Document": audit.Show, "CompareDocument": audit.Show,
	"SaveDocument": audit.DocumentSaved, "PublishDocument": audit.DocumentPublished, "RollbackDocument": audit.DocumentPublished,
	"RemoveDocument": audit.DocumentRemoved,
}

// kindOf is the kind of an operation's record.
func kindOf(operation string) audit.Kind {
	if kind := kindsOf[operation]; kind != "" {
		return kind
	}
	return audit.Kind("operate." + publicName(operation))
}

// auditKinds are all kinds that are ever recorded.
var auditKinds = sync.OnceValue(func() []audit.Kind {
	all := audit.Kinds()
	for operation := range operations {
		if kind := kindOf(operation); !unrecorded[operation] && !slices.Contains(all, kind) {
			all = append(all, kind)
		}
	}
	return all
})

func texts[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = string(v)
	}
	return all
}

// publicName is the name of an operation outside of this program: reveal_event for RevealEvent.
func publicName(operation string) string {
	var b strings.Builder
	for i, r := range operation {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

var unrecorded = map[string]bool{
	"Statistics": true, "Destinations": true, "Destination": true, "Ready": true, "Overview": true, "Tenants": true, "Facets": true, "Jobs": true, "Job": true,
	// Reading the log would have no end if each page were one more record. What is exported and pruned has a record of its own.
	"AuditQuery": true, "AuditStatus": true, "AuditVerify": true, "AuditProve": true, "AuditCheckpoint": true, "AuditExport": true, "AuditPrune": true, "AuditFork": true,
}

// OutcomeAsked is the outcome of a record of what is about to be done. What it comes to is recorded with each event or
// delivery that it changes.
const OutcomeAsked = "asked"

// Leaf is the record as the audit log keeps it; false where it keeps none.
func (r *Record) Leaf(ctx context.Context) (audit.Leaf, bool) {
	if unrecorded[r.Operation] && !r.Denied {
		return audit.Leaf{}, false
	}
	l := audit.Leaf{Kind: kindOf(r.Operation), Actor: audit.ActorOf(r.Actor.by(ctx)), Operation: publicName(r.Operation), Tenant: r.Tenant,
		Event: r.Event, Outcome: OutcomeAsked, Why: r.Reason}
	if len(r.Filter) > 0 {
		l.Reason = "selected by " + strings.Join(r.Filter, ", ")
	}
	if r.Destination != "" {
		l.To = []audit.Recipient{{Name: r.Destination}}
	}
	switch {
	case r.Denied && l.Kind == audit.Reveal:
		l.Kind, l.Outcome = audit.RevealDenied, audit.OutcomeDenied
	case r.Denied:
		l.Kind, l.Outcome = audit.AccessDenied, audit.OutcomeDenied
	case r.DryRun:
		l.Outcome = audit.OutcomeDryRun
	case r.Ended != "":
		l.Outcome = r.Ended
	}
	return l, true
}
