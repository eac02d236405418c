package operate

import (
	"fmt"
	"maps"
)

// Capability is what an operation needs of who asks for it.
type Capability string

// The capabilities.
const (
	// View is to see what is stored and how it stands, without what callers said.
	View Capability = "view"
	// Reveal is to see what callers said.
	Reveal Capability = "reveal"
	// Operate is to send again or now, to cancel, to pause and to resume.
	Operate Capability = "operate"
	// Erase is to delete for good.
	Erase Capability = "erase"
	// Build is to work on sources and destinations: to see what a payload would become.
	Build Capability = "build"
	// Audit is to read who did what.
	Audit Capability = "audit"
	// Maintain is to work on the store itself while the gateway is stopped.
	Maintain Capability = "maintain"
)

// operations say which capability each operation needs. Every exported method of Service stands here, and is refused if it
// does not.
var operations = map[string]Capability{
	"Events":       View,
	"Deliveries":   View,
	"Event":        View,
	"Destinations": View,
	"Statistics":   View,
	"Tail":         View,
	"Ready":        View,
	"RevealEvent":  Reveal,
	"Replay":       Operate,
	"SendNow":      Operate,
	"Cancel":       Operate,
	"Pause":        Operate,
	"Resume":       Operate,
	"Erase":        Erase,
	"Preview":      Build,
	"Rekey":        Maintain,

	"AuditQuery":      Audit,
	"AuditTail":       Audit,
	"AuditVerify":     Audit,
	"AuditProve":      Audit,
	"AuditCheckpoint": Audit,
	"AuditExport":     Audit,
	"AuditPrune":      Maintain,
	"AuditFork":       Maintain,
}

// Operations are the operations of a Service by name, with the capability that each needs.
func Operations() map[string]Capability { return maps.Clone(operations) }

// Actor is who acts.
type Actor struct {
	// Name is whom the face knows them as; empty where it knows nobody by name.
	Name string
	// Via is the face: "admin" for the admin API, "command" for a command that works without a gateway.
	Via string
	// May says what they may do. nil means nothing.
	May func(Capability) bool
}

// Everything lets an actor do all that there is, for faces to which nobody else has access.
func Everything(Capability) bool { return true }

// begin checks whether an actor may do what they ask for.
func (s *Service) begin(a Actor, operation string) error {
	needed, ok := operations[operation]
	if !ok || a.May == nil || !a.May(needed) {
		return &Error{Kind: ErrForbidden, text: fmt.Sprintf("you may not do that: it needs the capability %s", needed)}
	}
	return nil
}
