package commands

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/signature/vectors"
)

var errNotVerified = errors.New("the signature does not verify")

func fillVerify(cmd *cobra.Command) {
	var (
		scheme        schemeFlags
		publicKeys    []string
		method, url   string
		headers       []string
		bodyFile, now string
		vectorFiles   []string
	)
	cmd.Use = "verify --scheme NAME --secret SECRET --header 'Name: value' [--body FILE]"
	cmd.Long = `Verifies one request as the gateway would, and says which form of the body and which secret matched, or exactly
why nothing did. The exit status is 1 if the signature is not valid.

With --vectors it runs files of test cases: JSON arrays of objects with name, scheme, secret or public_key, method,
url, headers, body or body_base64, now (Unix seconds), options and valid. It prints a line for each case that comes out
otherwise, and exits with 1 if there is one. A case marked advisory may be refused where the vendor accepts it; that is
printed too, and no failure.`
	cmd.Example = `  callgate verify --scheme nextphone --secret s3cret --header 'X-Nextphone-Signature: 5d41…' --body lead.json
  callgate verify --scheme stripe --secret @stripe.key --header 'Stripe-Signature: t=…,v1=…' --now 1700000000 < body
  callgate verify --vectors testdata/vectors/*.json`
	cmd.SilenceUsage = true
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 && len(vectorFiles) == 0 {
			return fmt.Errorf("unexpected argument %q; the body is given with --body", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(vectorFiles) > 0 {
			return runVectors(cmd.OutOrStdout(), append(vectorFiles, args...))
		}
		if scheme.scheme == "" {
			return errors.New("which scheme? give --scheme, or --vectors for files of test cases")
		}
		c, err := scheme.config(cmd)
		if err != nil {
			return err
		}
		if c.PublicKeys, err = keyValues(cmd, publicKeys); err != nil {
			return err
		}
		h, err := parseHeaders(headers)
		if err != nil {
			return err
		}
		body, err := readInput(cmd, bodyFile)
		if err != nil {
			return err
		}
		at, err := parseNow(now)
		if err != nil {
			return err
		}
		m := signature.Message{Method: strings.ToUpper(method), URL: url, Header: h, Body: body}
		return verifyOne(cmd.OutOrStdout(), c, &m, at)
	}
	scheme.add(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&publicKeys, "public-key", nil, "the sender's public key, or @FILE that holds it; can be repeated")
	fl.StringVarP(&bodyFile, "body", "b", "-", "file with the body, - for standard input")
	fl.StringVar(&method, "method", http.MethodPost, "HTTP method")
	fl.StringVar(&url, "url", "", "URL as the sender requested it, for schemes that sign it")
	fl.StringArrayVarP(&headers, "header", "H", nil, "header of the request; can be repeated")
	fl.StringVar(&now, "now", "", "the time to check timestamps against, RFC 3339 or Unix seconds (default: now)")
	fl.DurationVar(&scheme.tolerance, "tolerance", 0, "how far a timestamp may lie from now (default: the scheme's)")
	fl.StringArrayVar(&vectorFiles, "vectors", nil, "file of test cases; more can follow")
}

func verifyOne(out io.Writer, c signature.Config, m *signature.Message, now time.Time) error {
	v, err := signature.New(c)
	if err != nil {
		return err
	}
	r, err := v.Verify(m, now)
	if err != nil {
		fmt.Fprintf(out, "not valid: %v\n", err)
		return errNotVerified
	}
	fmt.Fprintln(out, "valid")
	if r.Form != "" {
		fmt.Fprintf(out, "form: %s\n", r.Form)
	}
	fmt.Fprintf(out, "key: number %d of %d\n", r.Secret+1, max(len(c.Secrets), len(c.PublicKeys)))
	if !r.Timestamp.IsZero() {
		fmt.Fprintf(out, "signed at: %s (%s from now)\n", r.Timestamp.UTC().Format(time.RFC3339), now.Sub(r.Timestamp).Round(time.Second))
	}
	if r.ID != "" {
		fmt.Fprintf(out, "id: %s\n", r.ID)
	}
	if r.Weak {
		fmt.Fprintln(out, "note: this scheme does not sign the body; whoever has seen the secret or signature can send any body")
	}
	return nil
}

func runVectors(out io.Writer, files []string) error {
	passed, failed := 0, 0
	for _, name := range files {
		outcomes, err := runVectorFile(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, o := range outcomes {
			if o.Want == o.Got {
				passed++
				continue
			}
			if o.OK() {
				passed++ // the gateway may be stricter than a vendor's own library, and is
				fmt.Fprintf(out, "%s: %s (%s): stricter than the advisory case: %s\n", name, o.Name, o.Scheme, o.Detail)
				continue
			}
			failed++
			fmt.Fprintf(out, "%s: %s (%s): want valid=%t, got valid=%t: %s\n", name, o.Name, o.Scheme, o.Want, o.Got, o.Detail)
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return fmt.Errorf("%d cases came out otherwise", failed)
	}
	return nil
}

func runVectorFile(name string) ([]vectors.Outcome, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return vectors.Run(f)
}
