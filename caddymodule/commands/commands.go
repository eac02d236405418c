// Package commands adds Callgate's commands to Caddy's command line: under "callgate" in any Caddy that has the plugin,
// and at the top level in the ready-built one.
package commands

import (
	"fmt"
	"io"
	"os"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// command is one of ours, before it has its place in a command line.
type command struct {
	name, short string
	fill        func(*cobra.Command)
}

var all = []command{
	{"send", "Sends a signed webhook and prints the answer", fillSend},
	{"trigger", "Sends a signed sample call of any sender", fillTrigger},
	{"listen", "Shows each call as it comes, and forwards it to a receiver under development", fillListen},
	{"sign", "Prints the headers that sign a body", fillSign},
	{"verify", "Says whether a signature is right and, if not, why", fillVerify},
	{"preview", "Shows what a payload becomes, and what would be sent for it", fillPreview},
	{"events", "Lists the events that a running gateway has accepted", fillEvents},
	{"deliveries", "Lists the deliveries of a running gateway and where they stand", fillDeliveries},
	{"show", "Shows an event with its deliveries and all attempts", fillShow},
	{"replay", "Sends dead or delivered deliveries again", fillReplay},
	{"retry", "Sends waiting deliveries now", fillRetry},
	{"cancel", "Takes waiting deliveries back", fillCancel},
	{"jobs", "Lists, shows and stops what is done to everything that matched a filter", fillJobs},
	{"pause", "Keeps the deliveries to a destination waiting", fillPause},
	{"resume", "Lets the deliveries to a paused destination go", fillResume},
	{"erase", "Deletes events with all that belongs to them", fillErase},
	{"stats", "Shows the store and how each destination stands", fillStats},
	{"cluster", "Shows the gateways that share a store, and which of them delivers where", fillCluster},
	{"tenants", "Shows, applies, publishes, rolls back and removes tenants that live in the gateway's store", fillDocuments("tenant")},
	{"destinations", "Shows, applies, publishes, rolls back and removes destinations that live in the gateway's store", fillDocuments("destination")},
	{"tail", "Prints events and attempts as they come", fillTail},
	{"ready", "Says whether calls should be sent to the gateway", fillReady},
	{"doctor", "Looks at a configuration and this machine, and says what an experienced operator would", fillDoctor},
	{"backup", "Writes what is stored to a file, also while the gateway runs", fillBackup},
	{"restore", "Makes the store from a backup", fillRestore},
	{"migrate", "Carries a store in SQLite over to PostgreSQL", fillMigrate},
	{"audit", "Reads, exports and verifies the audit log, and makes its keys", fillAudit},
	{"keys", "Lists, checks, rotates and destroys the data keys of tenants", fillKeys},
	{"rekey", "Seals what is stored with a new encryption key", fillRekey},
}

// auditCommands are the commands below audit.
var auditCommands = []command{
	{"audit keygen", "Makes the key pair that signs an audit log", fillAuditKeygen},
	{"audit verify", "Verifies an export of an audit log, and names the first record that is not right", fillAuditVerify},
	{"audit prove", "Proves that one record is in an audit log, or checks such a proof", fillAuditProve},
	{"audit convert", "Writes an export of an audit log as CSV or FHIR", fillAuditConvert},
	{"audit tail", "Prints the newest records of the audit log, and new ones as they come", fillAuditTail},
	{"audit query", "Prints the records of the audit log that are asked for", fillAuditQuery},
	{"audit export", "Writes the audit log to a file that can be verified, or as CSV or FHIR", fillAuditExport},
	{"audit checkpoint", "Prints a signed checkpoint of the audit log", fillAuditCheckpoint},
	{"audit prune", "Takes the lines of old records away", fillAuditPrune},
	{"audit fork", "Goes on with a store that was restored from a backup", fillAuditFork},
}

// keyCommands are the commands below keys.
var keyCommands = []command{
	{"keys list", "Lists the data keys of tenants, those that were destroyed too", fillKeysList},
	{"keys check", "Unwraps every data key and says which cannot be", fillKeysCheck},
	{"keys rotate", "Gives a tenant a new data key, with which its new calls are sealed", fillKeysRotate},
	{"keys destroy", "Destroys a tenant's data keys, and with them all that is kept of its calls", fillKeysDestroy},
}

// jobCommands are the commands below jobs.
var jobCommands = []command{
	{"jobs list", "Lists what is and was done to everything that matched a filter", fillJobsList},
	{"jobs show", "Shows how far one of these is, or waits for it", fillJobsShow},
	{"jobs stop", "Stops one of these", fillJobsStop},
}

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      "callgate",
		Short:     "Sends and verifies call webhooks, and operates their gateway",
		CobraFunc: fillGroup,
	})
}

// topLevel is whether the commands stand beside Caddy's own.
var topLevel bool

// fillGroup has the commands under one name. Where they stand at the top level too, that one works and is not listed.
func fillGroup(parent *cobra.Command) {
	parent.Hidden = topLevel
	withoutFooter(parent)
	onlyGroups(parent)
	for _, c := range all {
		cmd := &cobra.Command{Use: c.name, Short: c.short}
		c.fill(cmd)
		if !topLevel {
			for _, c := range append(cmd.Commands(), cmd) {
				c.Example = strings.ReplaceAll(c.Example, "callgate ", "caddy callgate ")
			}
		}
		parent.AddCommand(cmd)
	}
}

// onlyGroups has a command that only has others below it refuse a name that is not there, which cobra passes over with the
// help and a status of success.
func onlyGroups(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// withoutFooter leaves out of a command's help that Caddy's website has full documentation: it has none of ours.
func withoutFooter(cmd *cobra.Command) { cmd.SetHelpTemplate(new(cobra.Command).HelpTemplate()) }

// RegisterTopLevel adds the commands beside run, reload and Caddy's other ones. The ready-built binary calls it before
// it starts Caddy's command line.
func RegisterTopLevel() {
	topLevel = true
	for _, c := range all {
		caddycmd.RegisterCommand(caddycmd.Command{Name: c.name, Short: c.short, CobraFunc: func(cmd *cobra.Command) {
			c.fill(cmd)
			withoutFooter(cmd)
		}})
	}
}

// maxInput is how much is read from a file or from standard input.
const maxInput = 64 << 20

// readInput reads a file, or standard input for "-".
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := readAtMost(in)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return b, err
}

// readAtMost reads to the end of what is no larger than maxInput.
func readAtMost(in io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(b) > maxInput {
		err = fmt.Errorf("it is larger than %d bytes", maxInput)
	}
	return b, err
}

// keyValue is a secret or a key: as it stands or, behind an @, the content of a file without the line feed at its end.
func keyValue(cmd *cobra.Command, s string) (string, error) {
	name, isFile := strings.CutPrefix(s, "@")
	if !isFile {
		return s, nil
	}
	b, err := readInput(cmd, name)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func keyValues(cmd *cobra.Command, in []string) ([]string, error) {
	out := make([]string, len(in))
	for i, s := range in {
		v, err := keyValue(cmd, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}
