package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

// asJob is what the help of commands that change much at once says of how they do it.
const asJob = `

The gateway does it as a job, which goes on if this command ends, by Ctrl-C or because a terminal was closed. See callgate
jobs for how far it is, and to stop it.`

func fillJobs(parent *cobra.Command) {
	parent.Use = "jobs"
	onlyGroups(parent)
	parent.Long = `Shows what a gateway does, and has done, to everything that matched a filter: what replay, retry, cancel and erase
have begun, and the pages of a dashboard.` + exitCodes
	parent.Example = "  callgate jobs list\n  callgate jobs show 01JC0Q4Z6W5P9G2N8S3T7V1X0Y --wait"
	for _, c := range jobCommands {
		_, name, _ := strings.Cut(c.name, " ")
		cmd := &cobra.Command{Use: name, Short: c.short}
		c.fill(cmd)
		parent.AddCommand(cmd)
	}
}

func fillJobsList(cmd *cobra.Command) {
	var a admin
	cmd.Use = "list [flags]"
	cmd.Long = `Lists jobs, the last first. Only the last ones are remembered.` + exitCodes
	cmd.Example = "  callgate jobs list"
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var l operate.JobList
		if err := a.ask(http.MethodGet, adminPath+"jobs", nil, &l); err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if a.json {
			return printJSON(out, l)
		}
		if len(l.Jobs) == 0 {
			_, err := fmt.Fprintln(out, "There is no job.")
			return err
		}
		t := a.table(out, column{"JOB", 0, 0}, column{"WHAT", 0, 0}, column{"STATE", 0, 0}, column{"DONE", 0, 0}, column{"OF", 0, 0},
			column{"STARTED", 1, 0}, column{"BY", 2, 8}, column{"DESTINATION", 3, 8}, column{"TENANT", 4, 8})
		for i := range l.Jobs {
			j := &l.Jobs[i]
			t.row(j.ID, j.Operation, string(j.State), fmt.Sprint(j.Done), fmt.Sprint(j.Total), a.stamp(j.StartedAt), j.By, j.Destination, j.Tenant)
		}
		return t.print(cmd)
	}
}

func fillJobsShow(cmd *cobra.Command) {
	var a admin
	var wait bool
	cmd.Use = "show JOB [flags]"
	cmd.Long = `Shows how far a job is. With --wait it waits until the job has ended.` + exitCodes
	cmd.Example = "  callgate jobs show 01JC0Q4Z6W5P9G2N8S3T7V1X0Y\n  callgate jobs show 01JC0Q4Z6W5P9G2N8S3T7V1X0Y --wait"
	cmd.Args = oneArgument
	a.add(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it has ended; that it has not done everything is an error then")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		job := &operate.Job{}
		if err := a.ask(http.MethodGet, jobPath(args[0]), nil, job); err != nil {
			return err
		}
		var err error
		if wait {
			if job, err = a.await(cmd, job); job == nil {
				return err
			}
		}
		return errors.Join(a.printJob(cmd, job), err)
	}
}

func fillJobsStop(cmd *cobra.Command) {
	var a admin
	cmd.Use = "stop JOB [flags]"
	cmd.Long = `Stops a job after the step that it is at. What it has done stays done.` + exitCodes
	cmd.Example = "  callgate jobs stop 01JC0Q4Z6W5P9G2N8S3T7V1X0Y"
	cmd.Args = oneArgument
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		job := new(operate.Job)
		if err := a.ask(http.MethodPost, jobPath(args[0])+"/stop", struct{}{}, job); err != nil {
			return err
		}
		return a.printJob(cmd, job)
	}
}

func jobPath(id string) string { return adminPath + "jobs/" + escaped(id) }

func (a *admin) printJob(cmd *cobra.Command, j *operate.Job) error {
	if a.json {
		return printJSON(cmd.OutOrStdout(), j)
	}
	by := ""
	if j.StoppedBy != "" {
		by = ", stopped by " + j.StoppedBy
	}
	if j.Error != "" {
		by += ": " + j.Error
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), plain(fmt.Sprintf("%s of %s, begun by %s at %s: %s, %d of %d done%s", j.Operation, j.ID, j.By, a.stamp(j.StartedAt), j.State, j.Done, j.Total, by)))
	return err
}

// howToLook says how one sees how far a job is.
func howToLook(id string) string {
	return fmt.Sprintf("callgate jobs show %s tells how far it is, and callgate jobs stop %s stops it.", id, id)
}

const (
	// reportEvery is how often it is told how far a job is that is waited for.
	reportEvery = 2 * time.Second
	// askFirst is after how long it is asked for the first time how far one is, and askLast how long that takes at last.
	askFirst, askLast = 50 * time.Millisecond, time.Second
)

// await waits until a job has ended, and tells how far it is. It is an error if the job did not end well, with the job, or if
// nothing can be heard of it any more or nobody waits any longer, without.
func (a *admin) await(cmd *cobra.Command, job *operate.Job) (*operate.Job, error) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends what hangs in an answer
	id, told := job.ID, time.Now()
	for pause, failed := askFirst, 0; job.State == operate.JobRunning; pause = min(2*pause, askLast) {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("job %s was not waited for to its end, and goes on in the gateway. %s", id, howToLook(id))
		case <-time.After(pause):
		}
		now := new(operate.Job)
		if err := a.ask(http.MethodGet, jobPath(id), nil, now); err != nil {
			if failed++; failed > tries {
				return nil, fmt.Errorf("job %s was begun, and it cannot be seen how far it is: %w. %s", id, err, howToLook(id))
			}
			continue // as while a configuration is loaded
		}
		job, failed = now, 0
		if time.Since(told) >= reportEvery && job.State == operate.JobRunning {
			told = time.Now()
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d so far\n", job.Done, job.Total)
		}
	}
	if job.State == operate.JobDone {
		return job, nil
	}
	why := ""
	switch {
	case job.Error != "":
		why = ": " + job.Error
	case job.StoppedBy != "":
		why = " by " + job.StoppedBy
	}
	return job, errors.New(plain(fmt.Sprintf("job %s was not done to its end, but %s%s. %d of %d are done, and stay so; begin it again for the rest", id, job.State, why, job.Done, job.Total)))
}
