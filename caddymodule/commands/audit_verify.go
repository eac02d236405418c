package commands

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/convert"
)

// openExport opens an export, or standard input for "-".
func openExport(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(name)
}

func fillAuditVerify(cmd *cobra.Command) {
	var (
		key     auditKey
		since   auditSince
		witness string
		face    auditFace
	)
	cmd.Use = "verify [EXPORT --public-key KEY] [--since CHECKPOINTS]"
	cmd.Long = `Verifies an export of an audit log with its public key: that all records are there, as they were written and in their
order. It says which is the first that is not, and what is wrong with it.

Whoever has the private key can write the log anew and sign it again. So give with --since the checkpoints that were sent
elsewhere meanwhile: then a log that was rewritten, cut or rolled back to a backup is found too. Without them only whoever
has not the key is kept honest. With --witness the last checkpoint must bear the cosignature of that witness.

Without EXPORT the log is verified where it lies, for a first look: that is the word of the machine that keeps it.` + auditEither
	cmd.Example = `  callgate audit verify export.jsonl --public-key @audit.key.pub --since checkpoints.jsonl
  callgate audit verify - --public-key clinic.example/callgate/1+5d41402a+AbC… < export.jsonl`
	face.add(cmd)
	cmd.Args = cobra.MaximumNArgs(1)
	key.add(cmd)
	since.add(cmd)
	cmd.Flags().StringVar(&witness, "witness", "", "public key of a witness that must have cosigned the last checkpoint, or @FILE that holds it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			if key.text != "" || len(since.files) > 0 || witness != "" {
				return errors.New("give the export that is to be verified; a log is verified where it lies with the gateway's own key")
			}
			return verifyInPlace(cmd, &face)
		}
		v, err := key.verifier(cmd)
		if err != nil {
			return err
		}
		old, err := since.read(cmd, v)
		if err != nil {
			return err
		}
		in, err := openExport(cmd, args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		found, err := audit.Verify(in, v, old, nil)
		if err != nil {
			return err
		}
		return tellVerified(cmd, found, old, witness)
	}
}

func verifyInPlace(cmd *cobra.Command, face *auditFace) error {
	return face.with(cmd, func(log auditLog) error {
		state, err := log.verify(cmd.Context())
		if err != nil {
			return err
		}
		if face.json {
			return printJSON(cmd.OutOrStdout(), state)
		}
		pruned := ""
		if state.Pruned > 0 {
			pruned = fmt.Sprintf(" The lines of the first %d were pruned.", state.Pruned)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "The %s of %s are as they were written.%s\n", plural(int(state.Records), "record", "records"), state.Name, pruned)
		return err
	})
}

func tellVerified(cmd *cobra.Command, v *audit.Verified, old []audit.Checkpoint, witness string) error {
	cosigned := ""
	if witness != "" {
		text, err := keyValue(cmd, witness)
		if err != nil {
			return err
		}
		c, err := audit.NewCosigner(text)
		if err != nil {
			return err
		}
		at, err := c.Check(v.Signed)
		if err != nil {
			return fmt.Errorf("the last checkpoint, of %s: %w", plural(int(v.Size), "record", "records"), err)
		}
		cosigned = fmt.Sprintf("%s has cosigned the last one on %s.\n", c.Name(), at.Format("2006-01-02 15:04:05 MST"))
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "The records %d to %d of %s are as they were written, by %s.\n", v.First, v.Size-1, v.Origin, plural(v.Checkpoints, "checkpoint", "checkpoints"))
	fmt.Fprint(out, cosigned)
	if v.First > 0 {
		fmt.Fprintf(out, "The %s before them are not in this export.\n", plural(int(v.First), "record", "records"))
	}
	if len(old) == 0 {
		_, err := fmt.Fprintln(out, "No older checkpoint was given (--since), so whoever has the key could have written them anew.")
		return err
	}
	_, err := fmt.Fprintf(out, "They have grown out of the %s that were given.\n", plural(len(old), "older checkpoint", "older checkpoints"))
	return err
}

func fillAuditProve(cmd *cobra.Command) {
	var (
		key         auditKey
		from, check string
		face        auditFace
	)
	cmd.Use = "prove RECORD [--from EXPORT --public-key KEY]"
	cmd.Long = `Prints the proof that one record is in an audit log: the record, its place, a few hashes and a signed checkpoint, and no
other record. RECORD is its seq. An export is verified first; without one the gateway makes the proof. The form is C2SP's
tlog-proof.

With --check it checks such a proof with the public key alone, and prints the record.` + auditEither
	cmd.Example = `  callgate audit prove 1207 --from export.jsonl --public-key @audit.key.pub > 1207.tlog-proof
  callgate audit prove --check 1207.tlog-proof --public-key @audit.key.pub`
	face.add(cmd)
	cmd.Args = cobra.MaximumNArgs(1)
	key.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&from, "from", "", "export that has the record, - for standard input")
	fl.StringVar(&check, "check", "", "proof to check, - for standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if making := len(args) == 1; making == (check != "") || !making && from != "" {
			return errors.New("give a record, and with --from an export that has it, or a proof (--check)")
		}
		if check == "" && from == "" {
			return proveInPlace(cmd, &face, args[0])
		}
		v, err := key.verifier(cmd)
		if err != nil {
			return err
		}
		if check != "" {
			return checkProof(cmd, v, check)
		}
		seq, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || seq < 0 {
			return fmt.Errorf("%q is not the seq of a record, a number from 0 on", args[0])
		}
		in, err := openExport(cmd, from)
		if err != nil {
			return err
		}
		defer in.Close()
		proof, err := audit.ProveFrom(in, v, seq)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(proof)
		return err
	}
}

func proveInPlace(cmd *cobra.Command, face *auditFace, seq string) error {
	if n, err := strconv.ParseInt(seq, 10, 64); err != nil || n < 0 {
		return fmt.Errorf("%q is not the seq of a record, a number from 0 on", seq)
	}
	return face.with(cmd, func(log auditLog) error {
		p, err := log.prove(cmd.Context(), seq)
		if err != nil {
			return err
		}
		_, err = io.WriteString(cmd.OutOrStdout(), p.Proof)
		return err
	})
}

func checkProof(cmd *cobra.Command, v *audit.Verifier, file string) error {
	text, err := readInput(cmd, file)
	if err != nil {
		return err
	}
	p, err := audit.CheckProof(v, text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\nIt is record %d of %s, by a checkpoint of %s.\n", p.Line, p.Seq, p.Checkpoint.Origin, plural(int(p.Checkpoint.Size), "record", "records"))
	return err
}

func fillAuditConvert(cmd *cobra.Command) {
	var (
		key      auditKey
		to, host string
	)
	cmd.Use = "convert EXPORT --to csv|fhir --public-key KEY"
	cmd.Long = `Writes the records of an export in another form, after it was verified:

  csv   a row for each record; no cell is taken for a formula
  fhir  an AuditEvent of FHIR R4 for each record, one in a line. An export has no pseudonyms of callers, so that none of
        them claims IHE's profile for disclosures

Neither can be verified any more; keep the export.

Exit status: 0 if all is written, 1 if not, with the reason on standard error.`
	cmd.Example = `  callgate audit convert export.jsonl --to csv --public-key @audit.key.pub > audit.csv
  callgate audit convert export.jsonl --to fhir --public-key @audit.key.pub --host gateway.clinic.example > audit.ndjson`
	cmd.Args = oneArgument
	key.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&to, "to", "", "csv or fhir")
	fl.StringVar(&host, "host", "", "the gateway's name in its network, for fhir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v, err := key.verifier(cmd)
		if err != nil {
			return err
		}
		var write func(*audit.Leaf) error
		end := func() error { return nil }
		var out bytes.Buffer
		switch to {
		case "csv":
			c, err := convert.NewCSV(&out)
			if err != nil {
				return err
			}
			write, end = c.Write, c.Close
		case "fhir":
			write = convert.NewFHIR(&out, convert.FHIROptions{Origin: v.Origin(), Host: host}).Write
		default:
			return errors.New("in which form? give --to csv or --to fhir")
		}
		return convertExport(cmd, v, args[0], &out, write, end)
	}
}

// convertExport reads an export twice, so that nothing is written of one that is not right, and none has to fit into memory.
func convertExport(cmd *cobra.Command, v *audit.Verifier, name string, buffered *bytes.Buffer, write func(*audit.Leaf) error, end func() error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := audit.Verify(f, v, nil, nil); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%s is read twice, so it must be a file: %w", name, err)
	}
	flush := func() error { _, err := buffered.WriteTo(cmd.OutOrStdout()); return err }
	_, err = audit.Verify(f, v, nil, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err != nil {
			return err
		}
		if err := write(l); err != nil {
			return err
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return errors.Join(end(), flush())
}
