// Package gateway starts the callgate binary with a configuration, and reads its metrics.
package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/callgate/callgate/bench/process"
)

// Secret is that of the configurations and of the load generator. It guards nothing.
const Secret = "secret-of-the-benchmark"

// Program is a callgate binary and what to run it with.
type Program struct {
	Name, Binary string
	// Dir is for its files. Those of several programs can be in one if their names differ.
	Dir string
	// Config writes the configuration for the address to listen on and that of Caddy's admin interface.
	Config func(address, admin string) string
	// Env changes the environment as in process.Program. The garbage collector's goal and limit are not taken over from
	// the environment of this program, where they would change what is measured without being seen.
	Env []string
	// Plain has the configuration read as Caddy reads it. Otherwise callgate puts an encoder around every log, which costs
	// Caddy's reverse_proxy a little for each request.
	Plain bool
}

// Server is a running gateway, or a plain Caddy.
type Server struct {
	*process.Process
	URL   string // of its root, without a slash at the end
	admin string
}

// Start starts a program and waits until it listens. It ends with ctx.
func Start(ctx context.Context, program Program) (*Server, error) {
	var addresses [2]string
	for i := range addresses {
		var err error
		if addresses[i], err = process.FreeAddress(); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(program.Dir, program.Name+".Caddyfile")
	if err := os.WriteFile(file, []byte(program.Config(addresses[0], addresses[1])), 0o600); err != nil {
		return nil, err
	}
	args := []string{"run", "--config", file, "--adapter", "caddyfile"}
	if program.Plain {
		args = append(args, "--") // callgate leaves such a command line as it is
	}
	p, err := process.Start(ctx, process.Program{
		Name: program.Name, Path: program.Binary, Args: args,
		Dir: program.Dir, Env: append([]string{"GOGC", "GOMEMLIMIT"}, program.Env...),
	})
	if err != nil {
		return nil, err
	}
	if err := p.WaitFor(ctx, addresses[0]); err != nil {
		p.Kill()
		return nil, err
	}
	return &Server{Process: p, URL: "http://" + addresses[0], admin: "http://" + addresses[1]}, nil
}

// Admin gets a page of Caddy's admin interface.
func (s *Server) Admin(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.admin+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, res.StatusCode)
	}
	return text, err
}

// Metrics are the values of all series, by name and labels as Caddy writes them.
func (s *Server) Metrics(ctx context.Context) (map[string]float64, error) {
	text, err := s.Admin(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return parseMetrics(text)
}

func parseMetrics(text []byte) (map[string]float64, error) {
	metrics := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		end := strings.LastIndexByte(line, ' ') // the labels can hold spaces, and Caddy writes no times
		value, err := strconv.ParseFloat(line[end+1:], 64)
		if end < 0 || err != nil {
			return nil, fmt.Errorf("the metrics have a line that cannot be read: %q", line)
		}
		metrics[line[:end]] = value
	}
	return metrics, nil
}
