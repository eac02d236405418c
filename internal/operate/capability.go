package operate

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

// Capabilities are all that there are.
func Capabilities() []Capability {
	return []Capability{View, Reveal, Operate, Erase, Build, Audit, Maintain}
}

// need is what an operation needs.
type need struct {
	capability Capability
	// whole tells that the operation is of the whole gateway, and nothing for those who are bound to tenants.
	whole bool
}

// operations say what each operation needs. Every exported method of Service stands here, and is refused if it does not.
var operations = map[string]need{
	"Overview":     {View, false},
	"Events":       {View, false},
	"Deliveries":   {View, false},
	"Event":        {View, false},
	"Destinations": {View, false},
	"Statistics":   {View, true},
	"Cluster":      {View, true},
	"Rotations":    {View, false},
	"Tail":         {View, false},
	"Ready":        {View, false},
	"RevealEvent":  {Reveal, false},
	"Replay":       {Operate, false},
	"SendNow":      {Operate, false},
	"Cancel":       {Operate, false},
	"StartJob":     {Operate, false},
	"StopJob":      {Operate, false},
	"StartErasure": {Erase, false},
	"Jobs":         {View, false},
	"Job":          {View, false},
	"Pause":        {Operate, true},
	"Resume":       {Operate, true},
	"Erase":        {Erase, false},
	"Preview":      {Build, false},

	"Documents":        {Build, false},
	"Document":         {Build, false},
	"DocumentVersions": {Build, false},
	"CompareDocument":  {Build, false},
	"SaveDocument":     {Build, false},
	"PublishDocument":  {Build, false},
	"RollbackDocument": {Build, false},
	"RemoveDocument":   {Build, false},

	"BuilderKit":    {Build, true},
	"BuilderBegin":  {Build, true},
	"BuilderSample": {Build, true},
	"PreviewDraft":  {Build, true},
	"TestDraft":     {Build, true},
	"DraftAsLines":  {Build, true},
	"AccountFields": {Build, true},

	"Rekey": {Maintain, true},

	"AuditQuery":      {Audit, false},
	"AuditTail":       {Audit, true},
	"AuditVerify":     {Audit, true},
	"AuditProve":      {Audit, true},
	"AuditCheckpoint": {Audit, true},
	"AuditExport":     {Audit, true},
	"AuditPrune":      {Maintain, true},
	"AuditFork":       {Maintain, true},
}

// Operations are the operations of a Service by name, with the capability that each needs.
func Operations() map[string]Capability {
	all := make(map[string]Capability, len(operations))
	for name, n := range operations {
		all[name] = n.capability
	}
	return all
}

// OfTheWhole reports whether an operation is of the whole gateway: who is bound to tenants cannot carry it out.
func OfTheWhole(operation string) bool { return operations[operation].whole }
