package commands

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/audit"
)

func fillAudit(cmd *cobra.Command) {
	cmd.Long = `The audit log says what was sent to whom and who did what. Its records are bound together so that no record can be
changed, left out or slipped in without that being found: each is a leaf of a Merkle tree, whose root is signed and sent
elsewhere, as a checkpoint. keygen, verify, prove and convert need no gateway and no store; an auditor runs them on a machine
of his own. The others ask a gateway that runs, or work on the store of one that is stopped.

Exit status: 0 if all is as asked, 1 if not, with the reason on standard error.`
	cmd.Example = `  callgate audit verify export.jsonl --public-key @audit.key.pub --since checkpoints.jsonl`
	cmd.Use = "audit" // Caddy's has a blank behind it
	onlyGroups(cmd)
	for _, c := range auditCommands {
		sub := &cobra.Command{Use: strings.TrimPrefix(c.name, "audit "), Short: c.short, SilenceUsage: true}
		c.fill(sub)
		if !topLevel {
			sub.Example = strings.ReplaceAll(sub.Example, "callgate ", "caddy callgate ")
		}
		cmd.AddCommand(sub)
	}
}

func fillAuditKeygen(cmd *cobra.Command) {
	var name string
	cmd.Use = "keygen FILE --name NAME"
	cmd.Long = `Makes the key that signs the checkpoints of an audit log. The private key is written to FILE, which its owner alone can
read, and the public key to FILE.pub; it is printed too. Nothing is overwritten.

The name is the log's for all time, and stands in every checkpoint. Each gateway writes a log of its own and needs a name
and a key of its own. Give the public key to whoever is to verify the log, now: one that comes with the log proves nothing.

Exit status: 0 if both files are written, 1 if not, with the reason on standard error.`
	cmd.Example = `  callgate audit keygen /etc/callgate/audit.key --name clinic.example/callgate/1`
	cmd.Args = oneArgument
	cmd.Flags().StringVar(&name, "name", "", "name of the log, such as clinic.example/callgate/1")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if name == "" {
			return errors.New("which log? give --name, such as clinic.example/callgate/1")
		}
		public, err := audit.WriteKeyFiles(args[0], name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), public)
		return err
	}
}

// auditKey is the public key of a log, as a flag.
type auditKey struct{ text string }

func (k *auditKey) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.text, "public-key", "", "public key of the log, or @FILE that holds it")
}

func (k *auditKey) verifier(cmd *cobra.Command) (*audit.Verifier, error) {
	if k.text == "" {
		return nil, errors.New("which key? give --public-key, the public key of the log")
	}
	text, err := keyValue(cmd, k.text)
	if err != nil {
		return nil, err
	}
	return audit.NewVerifier(text)
}

// auditSince are older checkpoints, as a flag.
type auditSince struct{ files []string }

func (s *auditSince) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.files, "since", nil, "file with older checkpoints, as a sink got them or in lines of a log; can be repeated")
}

func (s *auditSince) read(cmd *cobra.Command, key *audit.Verifier) ([]audit.Checkpoint, error) {
	var all []audit.Checkpoint
	for _, name := range s.files {
		text, err := readInput(cmd, name)
		if err != nil {
			return nil, err
		}
		found, err := key.ReadCheckpoints(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}
