package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
)

// documents are the commands on tenants or destinations that live in the store.
type documents struct {
	admin
	kind string
}

// fillDocuments makes a command with those on documents of a kind under it.
func fillDocuments(kind string) func(*cobra.Command) {
	return func(parent *cobra.Command) {
		plural := kind + "s"
		parent.Use = plural
		onlyGroups(parent)
		parent.Long = `Works on the ` + plural + ` that live in the gateway's store, where its configuration has manage. What is published is in force
within a second, without a reload. Names of the configuration itself are taken.` + exitCodes
		parent.Example = "  callgate " + plural + " list\n  callgate " + plural + " apply -f ./" + plural + " --dry-run"
		for _, c := range []struct {
			use, short, example string
			fill                func(*documents, *cobra.Command)
		}{
			{"list", "Lists the " + plural + " with their last versions", "", (*documents).list},
			{"show NAME", "Shows a " + kind + " as it was written, without its secrets", " acme", (*documents).show},
			{"diff NAME", "Shows what publishing the last version would change", " acme", (*documents).diff},
			{"apply -f PATH", "Writes and publishes files, or whole directories of them", " -f ./" + plural + " --dry-run", (*documents).apply},
			{"publish NAME", "Puts the last version, a draft, into force", " acme", (*documents).publish},
			{"rollback NAME", "Publishes what an earlier version says", " acme --version 3", (*documents).rollback},
			{"remove NAME", "Takes a " + kind + " out of force", " acme --note \"their contract ended\"", (*documents).remove},
		} {
			d := &documents{kind: kind}
			cmd := &cobra.Command{Use: c.use + " [flags]", Short: c.short, Long: c.short + "." + exitCodes, Args: cobra.NoArgs}
			if strings.HasSuffix(c.use, "NAME") {
				cmd.Args = oneArgument
			}
			name, _, _ := strings.Cut(c.use, " ")
			cmd.Example = "  callgate " + plural + " " + name + c.example
			d.add(cmd)
			c.fill(d, cmd)
			parent.AddCommand(cmd)
		}
	}
}

// at is the address of a document, or of something that is done to it.
func (d *documents) at(name string, more ...string) string {
	path := adminPath + "documents/" + d.kind
	for _, part := range append([]string{name}, more...) {
		if part != "" {
			path += "/" + escaped(part)
		}
	}
	return path
}

func (d *documents) all() ([]operate.DocumentList, error) {
	var pages []operate.DocumentList
	for after := ""; ; {
		var page operate.DocumentList
		if err := d.ask(http.MethodGet, d.at("")+"?limit=500&after="+url.QueryEscape(after), nil, &page); err != nil {
			return nil, err
		}
		pages = append(pages, page)
		if after = page.Next; after == "" {
			return pages, nil
		}
	}
}

func (d *documents) list(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		pages, err := d.all()
		if err != nil {
			return err
		}
		t := newTable(cmd.OutOrStdout(), 0, column{name: "NAME"}, column{name: "VERSION"}, column{name: "STATE"}, column{name: "IN FORCE"}, column{name: "BY"}, column{name: "NOTE"})
		var list operate.DocumentList
		for _, page := range pages {
			for _, v := range page.Documents {
				list.Documents = append(list.Documents, v)
				force := ""
				if v.InForce != 0 {
					force = strconv.Itoa(v.InForce)
				}
				t.row(v.Name, strconv.Itoa(v.Version), string(v.State), force, v.Author, v.Note)
			}
		}
		if d.json {
			return printJSON(cmd.OutOrStdout(), list)
		}
		_, err = t.end()
		return err
	}
}

func (d *documents) show(cmd *cobra.Command) {
	version := 0
	versions := false
	cmd.Flags().IntVar(&version, "version", 0, "the version (default: the last)")
	cmd.Flags().BoolVar(&versions, "versions", false, "list its versions instead")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if versions {
			var list operate.DocumentList
			if err := d.ask(http.MethodGet, d.at(args[0], "versions"), nil, &list); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), list)
		}
		var v manage.Version
		if err := d.ask(http.MethodGet, d.at(args[0])+"?version="+strconv.Itoa(version), nil, &v); err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), v)
	}
}

func (d *documents) diff(cmd *cobra.Command) {
	var from, to int
	cmd.Flags().IntVar(&from, "from", 0, "the version that is compared with (default: the one in force)")
	cmd.Flags().IntVar(&to, "to", 0, "the version that is compared (default: the last)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var diff operate.DocumentDiff
		if err := d.ask(http.MethodGet, fmt.Sprintf("%s?from=%d&to=%d", d.at(args[0], "diff"), from, to), nil, &diff); err != nil {
			return err
		}
		if d.json {
			return printJSON(cmd.OutOrStdout(), diff)
		}
		if len(diff.Differences) == 0 {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "They do not differ.")
			return err
		}
		return d.printDifferences(cmd, diff.Differences)
	}
}

func (d *documents) printDifferences(cmd *cobra.Command, list []manage.Difference) error {
	for _, one := range list {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", plain(one.String())); err != nil {
			return err
		}
	}
	return nil
}

// print tells of a change.
func (d *documents) print(cmd *cobra.Command, c *manage.Change) error {
	if d.json {
		return printJSON(cmd.OutOrStdout(), c)
	}
	what := fmt.Sprintf("version %d is %s", c.Version, c.State)
	switch {
	case c.Unchanged:
		what = "unchanged"
	case c.DryRun:
		what = fmt.Sprintf("would be %s", c.State)
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s\n", d.kind, c.Name, what); err != nil {
		return err
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s %s: warning: %s\n", d.kind, c.Name, plain(w))
	}
	return d.printDifferences(cmd, c.Differences)
}

func (d *documents) publish(cmd *cobra.Command) {
	var v operate.DocumentChoice
	cmd.Flags().IntVar(&v.Version, "version", 0, "the version that is meant, which has to be the last")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return d.change(cmd, args[0], "publish", v) }
}

func (d *documents) rollback(cmd *cobra.Command) {
	var r operate.DocumentRollback
	cmd.Flags().IntVar(&r.Version, "version", 0, "the version to go back to (default: the last one that was published before)")
	cmd.Flags().StringVar(&r.Note, "note", "", "why, for whoever looks at it later")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "say what would change, and change nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return d.change(cmd, args[0], "rollback", r) }
}

func (d *documents) change(cmd *cobra.Command, name, what string, body any) error {
	c := new(manage.Change)
	if err := d.ask(http.MethodPost, d.at(name, what), body, c); err != nil {
		return err
	}
	return d.print(cmd, c)
}

func (d *documents) remove(cmd *cobra.Command) {
	var r operate.DocumentRemoval
	cmd.Flags().StringVar(&r.Note, "note", "", "why, for whoever looks at it later")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "say what would be removed, and remove nothing")
	if d.kind == manage.Tenant {
		cmd.Flags().BoolVar(&r.Erase, "erase", false, "delete all that is stored of the tenant besides; otherwise it is kept, and waits")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c := new(operate.DocumentRemoved)
		if err := d.ask(http.MethodPost, d.at(args[0], "remove"), r, c); err != nil {
			return err
		}
		if d.json {
			return printJSON(cmd.OutOrStdout(), c)
		}
		if err := d.print(cmd, &c.Change); err != nil || !r.Erase {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s of it erased\n", plural(int(c.Events), "event", "events"))
		return err
	}
}

// application is what apply is told.
type application struct {
	paths                []string
	secrets, note        string
	draft, dryRun, prune bool
}

func (d *documents) apply(cmd *cobra.Command) {
	var a application
	fl := cmd.Flags()
	fl.StringArrayVarP(&a.paths, "file", "f", nil, "a JSON file, named after the "+d.kind+", or a directory of them; can be given several times")
	fl.StringVar(&a.secrets, "secrets", "", "a JSON file, or - for standard input, with the secrets that are written: {\"NAME\": {\"SECRET\": {\"value\": \"…\", \"hosts\": [\"crm.example.com\"]}}}")
	fl.StringVar(&a.note, "note", "", "why, for whoever looks at it later")
	fl.BoolVar(&a.draft, "draft", false, "keep drafts, and publish nothing")
	fl.BoolVar(&a.dryRun, "dry-run", false, "say what would change, and change nothing")
	fl.BoolVar(&a.prune, "prune", false, "remove the "+d.kind+"s in force that no file is there for")
	cmd.Long = "Writes and publishes files, or whole directories of them, such as those of a repository. All of them are checked before the\nfirst is written. What has not changed is left alone." + exitCodes
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return d.applyAll(cmd, &a) }
}

func (d *documents) applyAll(cmd *cobra.Command, a *application) error {
	bodies, err := d.read(a.paths)
	if err != nil {
		return err
	}
	secrets := map[string]map[string]*manage.SecretInput{}
	if a.secrets != "" {
		text, err := readInput(cmd, a.secrets)
		if err != nil {
			return err
		}
		if json.Unmarshal(text, &secrets) != nil {
			return errors.New("--secrets: not a JSON object of names, each with an object of secrets") // which are not quoted
		}
	}
	for name := range secrets {
		if bodies[name] == "" {
			return fmt.Errorf("--secrets: there is no file for %s %s", d.kind, name)
		}
	}
	gone, err := d.gone(a, bodies)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(bodies))
	each := func(dryRun bool, done func(*manage.Change) error) error {
		var failed []error
		for _, name := range names {
			c := new(manage.Change)
			in := manage.Draft{Text: bodies[name], Secrets: secrets[name], Note: a.note, Publish: !a.draft, DryRun: dryRun}
			if err := d.ask(http.MethodPost, d.at(name), in, c); err != nil {
				failed = append(failed, err)
			} else if err := done(c); err != nil {
				return err
			}
		}
		for _, name := range gone {
			c := new(operate.DocumentRemoved)
			if err := d.ask(http.MethodPost, d.at(name, "remove"), operate.DocumentRemoval{Note: a.note, DryRun: dryRun}, c); err != nil {
				failed = append(failed, err)
			} else if err := done(&c.Change); err != nil {
				return err
			}
		}
		return errors.Join(failed...)
	}
	show := func(c *manage.Change) error { return d.print(cmd, c) }
	if a.dryRun {
		return each(true, show)
	}
	if err := each(true, func(*manage.Change) error { return nil }); err != nil {
		return fmt.Errorf("nothing was changed:\n%w", err)
	}
	return each(false, show)
}

// gone are the documents in force that no file is there for, if they are to be removed.
func (d *documents) gone(a *application, bodies map[string]string) (names []string, err error) {
	if !a.prune {
		return nil, nil
	}
	pages, err := d.all()
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		for _, v := range page.Documents {
			if v.InForce != 0 && bodies[v.Name] == "" {
				names = append(names, v.Name)
			}
		}
	}
	return names, nil
}

// read reads the files of documents, by their names. A tenant's may say its name.
func (d *documents) read(paths []string) (map[string]string, error) {
	if len(paths) == 0 {
		return nil, errors.New("say with -f which file or directory")
	}
	bodies := make(map[string]string)
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err != nil {
			return nil, err
		} else if info.IsDir() {
			if files, err = filepath.Glob(filepath.Join(path, "*.json")); err != nil {
				return nil, err
			}
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			var named struct{ Name string }
			if len(text) == 0 {
				return nil, fmt.Errorf("%s is empty", file)
			}
			if d.kind == manage.Tenant && json.Unmarshal(text, &named) == nil && named.Name != "" {
				name = named.Name
			}
			if bodies[name] != "" {
				return nil, fmt.Errorf("%s: another file has the name %s too", file, name)
			}
			bodies[name] = string(text)
		}
	}
	return bodies, nil
}
