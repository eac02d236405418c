package commands

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// remote is how a dashboard is reached, and as whom.
type remote struct {
	// Address is the URL below which callgate_dashboard lies, or where the admin endpoint is.
	Address string `json:"address,omitempty"`
	// User signs in by name; the password is in PasswordFile, or asked for.
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
	// TokenFile holds a bearer token.
	TokenFile string `json:"token_file,omitempty"`
	// Cert and Key are files with a client certificate and its key, in PEM.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`
	// CACert is a file with the authorities that the server's certificate is checked against, in PEM.
	CACert string `json:"cacert,omitempty"`
}

func (r *remote) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&r.User, "user", "", "name to sign in with at a dashboard; the password is asked for, or in --password-file")
	fl.StringVar(&r.PasswordFile, "password-file", "", "file with the password, or - for standard input")
	fl.StringVar(&r.TokenFile, "token-file", "", "file with a bearer token for a dashboard, or - for standard input")
	fl.StringVar(&r.Cert, "cert", "", "file with a client certificate in PEM, for a dashboard that knows people by it")
	fl.StringVar(&r.Key, "key", "", "file with the key of --cert in PEM (default: the file of --cert)")
	fl.StringVar(&r.CACert, "cacert", "", "file with the authorities in PEM that the dashboard's certificate is checked against (default: the system's)")
}

// isURL reports whether an address is that of a dashboard, and not of an admin endpoint.
func isURL(address string) bool { return strings.Contains(address, "://") }

// session is a client of a dashboard.
type session struct {
	client *http.Client
	base   *url.URL
	sign   func(*http.Request)
}

// open signs in, as far as that is done before there is a request.
func (r *remote) open(cmd *cobra.Command) (*session, error) {
	base, err := url.Parse(r.Address)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("--address is no URL of a dashboard: write it as https://ops.example.com/callgate, which is where callgate_dashboard lies")
	}
	if base.User != nil {
		return nil, errors.New("--address must hold no password, since arguments can be seen by every process of this machine; use --user and --password-file")
	}
	if base.Scheme == "http" && !isLocal(base.Hostname()) {
		return nil, errors.New("--address begins with http://, so everybody between could read your password and the calls; write https://")
	}
	config, err := r.tls()
	if err != nil {
		return nil, err
	}
	s := &session{base: base, sign: func(*http.Request) {}}
	if s.sign, err = r.signer(cmd); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	s.client = &http.Client{
		Transport: transport,
		// A redirect leads to a page for people to sign in at, and credentials must not follow it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

func isLocal(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// tls are the certificates of both sides.
func (r *remote) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CACert != "" {
		text, err := os.ReadFile(r.CACert)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--cacert: there is no certificate in %s; it has to be PEM", r.CACert)
		}
	}
	if r.Key != "" && r.Cert == "" {
		return nil, errors.New("--key is for --cert")
	}
	if r.Cert != "" {
		key := r.Key
		if key == "" {
			key = r.Cert
		}
		pair, err := tls.LoadX509KeyPair(r.Cert, key)
		if err != nil {
			return nil, fmt.Errorf("--cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// signer is what is added to each request to say who asks.
func (r *remote) signer(cmd *cobra.Command) (func(*http.Request), error) {
	switch {
	case r.TokenFile != "" && (r.User != "" || r.PasswordFile != ""):
		return nil, errors.New("give either --user or --token-file")
	case r.PasswordFile != "" && r.User == "":
		return nil, errors.New("--password-file is for --user")
	case r.TokenFile != "":
		token, err := secretOf(cmd, "--token-file", r.TokenFile)
		if err != nil {
			return nil, err
		}
		return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token) }, nil
	case r.User != "":
		password, err := r.password(cmd)
		if err != nil {
			return nil, err
		}
		return func(req *http.Request) { req.SetBasicAuth(r.User, password) }, nil
	}
	return func(*http.Request) {}, nil
}

// password is read from its file, or asked for where there is somebody to ask.
func (r *remote) password(cmd *cobra.Command) (string, error) {
	if r.PasswordFile != "" {
		return secretOf(cmd, "--password-file", r.PasswordFile)
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", errors.New("there is nobody to ask for the password; give --password-file")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Password of %s: ", plain(r.User))
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(text), err
}

// secretOf is what is in a file that holds a secret alone.
func secretOf(cmd *cobra.Command, flag, file string) (string, error) {
	text, err := readInput(cmd, file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" || strings.ContainsAny(secret, "\r\n\x00") {
		return "", fmt.Errorf("%s: the file has to hold one line, and that not empty", flag)
	}
	return secret, nil
}

// request sends a request and gives the answer's body, which the caller closes. uri is that of the admin endpoint.
func (s *session) request(method, uri string, body []byte) (io.ReadCloser, error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(uri, adminPath), "?")
	target := strings.TrimRight(s.base.String(), "/") + "/api/" + path
	if query != "" {
		target += "?" + query
	}
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	req, err := http.NewRequest(method, target, in)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	s.sign(req)
	res, err := s.client.Do(req)
	if err != nil {
		return nil, s.unreached(err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxExcuse))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", s.base.Host, err)
	}
	return nil, s.refused(res.StatusCode, text)
}

// maxExcuse bounds what is read of an answer that is none.
const maxExcuse = 64 << 10

// unreached says what to do where there was no answer.
func (s *session) unreached(err error) error {
	var unknown x509.UnknownAuthorityError
	var dial *net.OpError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of %s is of no authority that is trusted here; if it is your own, give it with --cacert: %w", s.base.Host, err)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%w; does the gateway run, and is %s where its dashboard is (--address)?", err, s.base)
	}
	return err
}

// refused takes the gateway's own words out of an answer, or says what else it may be.
func (s *session) refused(status int, text []byte) error {
	var answer struct{ Error string }
	if json.Unmarshal(text, &answer) == nil && answer.Error != "" {
		return errors.New(plain(answer.Error))
	}
	switch {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s does not know you: give --user, --token-file or --cert, as the site wants it, and the right secret", s.base.Host)
	case status == http.StatusForbidden:
		return fmt.Errorf("%s lets nobody in here who asks like this; what it is that refuses is before the gateway", s.base.Host)
	case status >= 300 && status < 400:
		return fmt.Errorf("%s leads to another page, as to one for people to sign in at: ask for a token (--token-file) or a certificate (--cert) for programs", s.base.Host)
	case status == http.StatusNotFound:
		return fmt.Errorf("there is no dashboard of Callgate at %s; --address is the URL below which callgate_dashboard lies", s.base)
	}
	return fmt.Errorf("%s answered with HTTP %d", s.base.Host, status)
}
