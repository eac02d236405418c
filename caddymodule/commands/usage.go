package commands

import (
	"errors"
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// exitCodes is what the help of every command that asks a running gateway ends with.
const exitCodes = `

Exit status: 0 if what was asked for was done, also if nothing matched; 1 for every error, with the reason on standard
error: the gateway does not run, it refused the request, or the arguments are wrong.`

// oneArgument holds a command to the one argument that its usage names.
func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return fmt.Errorf("one argument is needed, and there are %d; write it as %s", len(args), cmd.UseLine())
}

// configuration is that of a file as JSON, and the file's name. Without a file it is the Caddyfile in this directory.
func configuration(file, adapter string) (text []byte, name string, err error) {
	text, name, _, err = caddycmd.LoadConfig(file, adapter)
	if err == nil && name == "" {
		err = errors.New("which configuration? there is no Caddyfile in this directory: give --config FILE")
	}
	return text, name, err
}
