package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/doctor"
)

// examining is what the flags of doctor say.
type examining struct {
	config, adapter, backups  string
	reach, json, strict, all  bool
	timeout, backupsNotBefore time.Duration
}

func fillDoctor(cmd *cobra.Command) {
	var e examining
	cmd.Use = "doctor [--config FILE] [--reach]"
	cmd.Long = `Looks at a configuration and at this machine as an experienced operator would, and says what will hurt one day and what to
write: secrets that are written out, weak, or readable by others; the disk of the store, whether it is full, on another
machine, or says that it has written what it has not; the clock; what others can reach; requests that nobody answers; who
is told when deliveries fail; backups; encryption. Then what has to be set and turned on at each sender.

Run it as the user that the gateway runs as. It sends nothing and opens no store. With --reach it connects to each receiver,
and says whether it is there and until when its certificate holds; it sends nothing there either.

Exit status: 0 if nothing is wrong; 1 if something is, or the configuration cannot be loaded; with --strict also for
warnings.`
	cmd.Example = `  callgate doctor --config /etc/callgate/Caddyfile --backups /mnt/backup
  callgate doctor --config Caddyfile --reach --json`
	cmd.Args = cobra.NoArgs
	cmd.SilenceUsage = true
	fl := cmd.Flags()
	fl.StringVarP(&e.config, "config", "c", "", "configuration file of the gateway (default: the Caddyfile in this directory)")
	fl.StringVarP(&e.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	fl.StringVar(&e.backups, "backups", "", "directory that backups are written to; the newest file in it tells when the last one was made")
	fl.DurationVar(&e.backupsNotBefore, "backups-every", 26*time.Hour, "how old the newest backup may be")
	fl.BoolVar(&e.reach, "reach", false, "connect to each receiver")
	fl.DurationVar(&e.timeout, "timeout", 5*time.Second, "how long to wait for each of them")
	fl.BoolVar(&e.json, "json", false, "print JSON")
	fl.BoolVar(&e.strict, "strict", false, "exit with 1 for warnings too")
	fl.BoolVar(&e.all, "all", false, "show also what is as it should be")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return e.run(cmd) }
}

func (e *examining) run(cmd *cobra.Command) error {
	text, file, err := configuration(e.config, e.adapter)
	if err != nil {
		return err
	}
	d, err := caddymodule.Diagnose(text, file)
	if err != nil {
		return err
	}
	r := &d.Report
	if d.Store != "" {
		r.Store(d.Store, time.Now)
		e.lookForBackups(r, d.Store, time.Now())
	}
	r.Clock()
	r.Limits(d.Secret)
	if e.reach {
		if err := e.reachAll(cmd.Context(), d, text); err != nil {
			return err
		}
	}
	r.Sort()
	if err := e.print(cmd.OutOrStdout(), d); err != nil {
		return err
	}
	switch bad := r.Count(doctor.Wrong); {
	case bad > 0:
		return fmt.Errorf("%s wrong", plural(bad, "thing is", "things are"))
	case e.strict && r.Count(doctor.Warning) > 0:
		return errors.New(plural(r.Count(doctor.Warning), "warning", "warnings"))
	}
	return nil
}

// lookForBackups says when the last one was made, as far as that can be seen.
func (e *examining) lookForBackups(r *doctor.Report, store string, now time.Time) {
	const make = "callgate backup FILE --config …, every night, to another machine, and try restore once"
	if e.backups == "" {
		r.Add("backup", doctor.Note, "", "whether backups are made cannot be seen from here; give their directory with --backups", make)
		return
	}
	entries, err := os.ReadDir(e.backups)
	if err != nil {
		r.Add("backup", doctor.Warning, e.backups, "it cannot be read: "+reason(err), make)
		return
	}
	var newest time.Time
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	switch age := now.Sub(newest); {
	case newest.IsZero():
		r.Add("backup", doctor.Warning, e.backups, "there is no backup", make)
	case age > e.backupsNotBefore:
		r.Add("backup", doctor.Warning, e.backups, fmt.Sprintf("the newest backup is %s old", age.Round(time.Hour)), make)
	default:
		r.Add("backup", doctor.Fine, e.backups, fmt.Sprintf("the newest backup is %s old", age.Round(time.Minute)), "")
	}
	if same, err := sameDisk(store, e.backups); err == nil && same {
		r.Add("backup", doctor.Warning, e.backups, "backups are on the disk of the store, and go with it", "write them to another machine")
	}
}

// reason is an error without the path, which is said already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// sameDisk reports whether two paths are on one file system.
func sameDisk(a, b string) (bool, error) {
	a = filepath.Dir(a)
	for {
		if _, err := os.Stat(a); err == nil || filepath.Dir(a) == a {
			break
		}
		a = filepath.Dir(a)
	}
	return deviceOf(a, b)
}

func (e *examining) print(out io.Writer, d *caddymodule.Diagnosis) error {
	if e.json {
		return printJSON(out, struct {
			Worst    doctor.Level                  `json:"worst"`
			Findings doctor.Report                 `json:"findings"`
			Senders  []caddymodule.DiagnosedSender `json:"senders"`
		}{d.Report.Worst(), d.Report, d.Senders})
	}
	hidden := 0
	for _, f := range d.Report {
		if f.Level == doctor.Fine && !e.all {
			hidden++
			continue
		}
		where := ""
		if f.Where != "" {
			where = f.Where + ": "
		}
		fmt.Fprintf(out, "%-8s %-10s %s\n", strings.ToUpper(string(f.Level)), f.Check, lines(where+f.Found))
		if f.Do != "" {
			fmt.Fprintf(out, "%20s%s\n", "-> ", lines(f.Do))
		}
	}
	if hidden > 0 {
		fmt.Fprintf(out, "%s as it should be (--all shows them)\n", plural(hidden, "thing is", "things are"))
	}
	for _, s := range d.Senders {
		fmt.Fprintf(out, "\nAt the sender of route %s (%s):\n", plain(s.Route), s.Preset)
		for _, step := range append(s.Setup.Steps, "The secret here: "+s.Setup.Secret) {
			fmt.Fprintf(out, "  [ ] %s\n", plain(step))
		}
		for _, m := range s.Setup.Mind {
			fmt.Fprintf(out, "      %s\n", plain(m))
		}
		if s.Setup.Unseen {
			fmt.Fprintln(out, "      (not read at the vendor's own page: names there may differ)")
		}
	}
	return nil
}

// lines is a text of several lines, each made plain.
func lines(s string) string {
	parts := strings.Split(s, "\n")
	for i := range parts {
		parts[i] = plain(parts[i])
	}
	return strings.Join(parts, "\n"+strings.Repeat(" ", 20))
}

// reachAll connects to every receiver.
func (e *examining) reachAll(ctx context.Context, d *caddymodule.Diagnosis, config []byte) error {
	if ctx == nil {
		ctx = context.Background()
	}
	urls, err := receivers(ctx, d, config)
	if err != nil {
		return err
	}
	for _, u := range urls {
		e.reachOne(ctx, &d.Report, u)
	}
	return nil
}
