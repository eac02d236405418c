// Command composecheck reads files for Compose as `docker compose config` does: by the schema that Compose has, with every
// variable that is asked for set to a value, and with nothing in them that is not known. It is a module of its own, so that the
// gateway does not depend on Compose.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	bad := false
	for _, file := range os.Args[1:] {
		o, err := cli.NewProjectOptions([]string{file}, cli.WithName("check"), cli.WithEnv([]string{
			"CALLGATE_KEY=k", "NEXTPHONE_SECRET=s", "POSTGRES_PASSWORD=p", "CRM_URL=http://crm.example",
		}))
		if err == nil {
			p, loadErr := o.LoadProject(context.Background())
			if err = loadErr; err == nil {
				names := p.ServiceNames()
				slices.Sort(names)
				fmt.Printf("%s: %v is right\n", file, names)
			}
		}
		if err != nil {
			fmt.Printf("%s: %v\n", file, err)
			bad = true
		}
	}
	if bad {
		os.Exit(1)
	}
}
