package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

// admin finds the admin endpoint of a running gateway as Caddy's own commands do, or its dashboard by a URL.
type admin struct {
	remote                   remote
	profile, config, adapter string
	json                     bool
	display

	cmd     *cobra.Command
	session *session // at a dashboard, once there was a request
}

// adminPath begins the paths of the admin endpoint's resources.
const adminPath = "/callgate/"

func (a *admin) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&a.remote.Address, "address", "", "address of the admin endpoint of the running gateway (default: the configuration's, or "+caddy.DefaultAdminListen+"), or the URL of its dashboard, such as https://ops.example.com/callgate")
	fl.StringVar(&a.profile, "profile", "", "name of a profile with address and credentials, in callgate/profiles.json of your configuration directory, or the file that "+profilesVariable+" names")
	a.remote.add(cmd)
	fl.StringVarP(&a.config, "config", "c", "", "configuration file to find that address in")
	fl.StringVarP(&a.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	fl.BoolVar(&a.json, "json", false, "print JSON, for programs")
	a.display.add(cmd)
	cmd.SilenceUsage = true
	a.cmd = cmd
}

// atThePrompt is who works without a gateway: whoever can read its configuration and its files.
var atThePrompt = operate.Actor{Via: "command", May: operate.Everything}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 20

// open sends a request and gives the answer's body, which the caller closes. The body is sent as JSON unless it is nil.
func (a *admin) open(method, uri string, body any) (io.ReadCloser, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	s, err := a.signIn()
	if err != nil {
		return nil, err
	}
	if s != nil {
		return s.request(method, uri, text)
	}
	address, err := caddycmd.DetermineAdminAPIAddress(a.remote.Address, nil, a.config, a.adapter)
	if err != nil {
		return nil, fmt.Errorf("finding the admin endpoint: %w", err)
	}
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(text)
	}
	// Each request of these commands has a connection of its own, which need not be kept.
	res, err := caddycmd.AdminAPIRequest(address, method, uri, http.Header{"Connection": {"close"}}, in)
	if err != nil {
		return nil, adminError(address, err)
	}
	return res.Body, nil
}

// signIn gives the session at a dashboard; nil where it is an admin endpoint that is asked.
func (a *admin) signIn() (*session, error) {
	if a.session != nil {
		return a.session, nil
	}
	if a.profile != "" {
		if err := a.remote.fill(a.profile); err != nil {
			return nil, err
		}
		a.profile = ""
	}
	if !isURL(a.remote.Address) {
		if at := (remote{Address: a.remote.Address}); a.remote != at {
			return nil, errors.New("--user, --password-file, --token-file, --cert, --key and --cacert are for a dashboard: give its URL with --address")
		}
		return nil, nil
	}
	if a.config != "" || a.adapter != "" {
		return nil, errors.New("--config and --adapter find the admin endpoint; with the URL of a dashboard leave them out")
	}
	s, err := a.remote.open(a.cmd)
	a.session = s
	return s, err
}

// ask sends a request and decodes the answer.
func (a *admin) ask(method, uri string, body, into any) error {
	answer, err := a.open(method, uri, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	text, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err != nil {
		return fmt.Errorf("the gateway's answer broke off: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("the answer is not the gateway's: is this the address of its admin endpoint or dashboard?")
	}
	return nil
}

// adminError takes the gateway's own words out of an error of Caddy's client, and adds what to do.
func adminError(address string, err error) error {
	text, refused := strings.CutPrefix(err.Error(), "caddy responded with error: HTTP ")
	if !refused {
		return fmt.Errorf("%w; does the gateway run, and is %s the address of its admin endpoint (--address)?", err, address)
	}
	status, body, _ := strings.Cut(text, ": ")
	var answer struct{ Error string }
	if json.Unmarshal([]byte(body), &answer) == nil && answer.Error != "" {
		return errors.New(answer.Error)
	}
	if status == "404" {
		return fmt.Errorf("what runs at %s is a Caddy without Callgate", address)
	}
	return fmt.Errorf("the gateway answered with HTTP %s", status)
}

// printJSON prints for programs.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// escaped is a name as a part of a path.
func escaped(name string) string { return url.PathEscape(name) }

// untilDone closes c when ctx ends, so that a read from it ends too.
func untilDone(ctx context.Context, c io.Closer) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.Close() })
}
