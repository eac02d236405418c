package commands

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/signature"
)

func fillSign(cmd *cobra.Command) {
	var (
		scheme          schemeFlags
		method, url     string
		contentType, id string
		bodyFile, now   string
		asJSON          bool
	)
	cmd.Use = "sign --scheme NAME --secret SECRET [--body FILE]"
	cmd.Long = `Prints the headers with which a sender would sign a body, one per line as curl's -H takes them.

Schemes that put the signature into the body or the URL say so on standard error and print these too.`
	cmd.Example = `  callgate sign --scheme nextphone --secret s3cret --body lead.json
  callgate sign --scheme twilio --secret @token --url https://example.com/voice --content-type application/x-www-form-urlencoded --body form.txt`
	cmd.Args = cobra.NoArgs
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := scheme.config(cmd)
		if err != nil {
			return err
		}
		signer, err := signature.NewSigner(c)
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
		m := signature.Message{Method: strings.ToUpper(method), URL: url, Header: make(http.Header), Body: body}
		m.Header.Set("Content-Type", contentType)
		if err := signer.Sign(&m, orNew(id), at); err != nil {
			return err
		}
		m.Header.Del("Content-Type")
		return printSigned(cmd, &m, url, string(body) != string(m.Body), asJSON)
	}
	scheme.add(cmd)
	if err := cmd.MarkFlagRequired("scheme"); err != nil {
		panic(err) // the flag is defined
	}
	fl := cmd.Flags()
	fl.StringVarP(&bodyFile, "body", "b", "-", "file with the body, - for standard input")
	fl.StringVar(&method, "method", http.MethodPost, "HTTP method")
	fl.StringVar(&url, "url", "", "URL, for schemes that sign it")
	fl.StringVar(&contentType, "content-type", "application/json", "Content-Type of the body")
	fl.StringVar(&id, "id", "", "id of the message, for schemes that sign one (default: a new one)")
	fl.StringVar(&now, "now", "", "time of the signature, RFC 3339 or Unix seconds (default: now)")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
}

func printSigned(cmd *cobra.Command, m *signature.Message, url string, otherBody, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return json.NewEncoder(out).Encode(struct {
			URL     string      `json:"url,omitempty"`
			Headers http.Header `json:"headers"`
			Body    string      `json:"body,omitempty"`
		}{m.URL, m.Header, string(m.Body)})
	}
	names := make([]string, 0, len(m.Header))
	for n := range m.Header {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		for _, v := range m.Header[n] {
			fmt.Fprintf(out, "%s: %s\n", n, v)
		}
	}
	if m.URL != url {
		fmt.Fprintln(cmd.ErrOrStderr(), "the URL is signed; send to:")
		fmt.Fprintln(out, m.URL)
	}
	if otherBody {
		fmt.Fprintln(cmd.ErrOrStderr(), "the body carries the signature; send:")
		fmt.Fprintln(out, string(m.Body))
	}
	return nil
}
