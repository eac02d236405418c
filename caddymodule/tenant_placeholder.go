package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/nearest"
)

// tenantPlaceholder is one placeholder in a text. A brace after a backslash begins none.
var tenantPlaceholder = regexp.MustCompile(`(?:^|[^\\])\{([^{}]*)\}`)

// requestPlaceholders are those that Caddy fills in of every request, and requestPrefixes begin those that are completed by
// a name.
var (
	requestPlaceholders = strings.Fields(`method scheme proto proto_name host port hostport local local.host local.port remote
		remote.host remote.port uri uri_escaped uri.path uri.path_escaped uri.path.file uri.path.dir uri.path.file.base
		uri.path.file.ext uri.query uri.query_escaped uri.prefixed_query duration duration_ms uuid body body_base64 orig_method
		orig_uri orig_uri.path orig_uri.path.file orig_uri.path.file_escaped orig_uri.path.dir orig_uri.query
		orig_uri.prefixed_query`)
	requestPrefixes = []string{"header.", "cookie.", "uri.query.", "tls.", "remote.host/"}
	numberedParts   = []string{"uri.path.", "orig_uri.path.", "host.labels."}

	// shortNames are what is written in a Caddyfile for the placeholders of which a tenant's name is usually made.
	shortNames = strings.Fields("path header query cookie labels vars host port method uri remote_host client_ip re")
)

// checkTenantPlaceholders finds out before there is a request that a placeholder in a tenant expression can have no value
// in any. set tells that a handler before the route might set one of any name. Then there is a warning of one that nothing
// known to the gateway does, and otherwise an error.
func checkTenantPlaceholders(text string, set bool) (warning string, err error) {
	found := tenantPlaceholder.FindAllStringSubmatch(text, -1)
	rest := tenantPlaceholder.ReplaceAllString(text, "")
	if strings.ContainsAny(rest, "{}") && !strings.Contains(rest, `\`) {
		return "", fmt.Errorf("tenant %s: a brace without its counterpart; a placeholder is written as {path.1}", text)
	}
	for _, m := range found {
		w, err := checkTenantPlaceholder(m[1], set)
		if err != nil {
			return "", fmt.Errorf("tenant {%s}: %w", m[1], err)
		}
		if w != "" && warning == "" {
			warning = fmt.Sprintf("tenant {%s}: %s", m[1], w)
		}
	}
	return warning, nil
}

func checkTenantPlaceholder(name string, set bool) (warning string, err error) {
	if v, ok := strings.CutPrefix(name, "http.request."); ok {
		return "", checkRequestPlaceholder(v)
	}
	if v, ok := strings.CutPrefix(name, "env."); ok {
		if os.Getenv(v) == "" {
			return "", fmt.Errorf("the environment of this gateway has no %s", v)
		}
		return "", nil
	}
	for prefix, why := range map[string]string{
		"callgate.":           "the gateway sets it when the tenant is known, and not before",
		"http.response.":      "there is no answer yet when the tenant is looked for",
		"http.intercept.":     "there is no answer yet when the tenant is looked for",
		"http.reverse_proxy.": "no receiver was chosen yet when the tenant is looked for",
		"http.error.":         "there is no error yet when the tenant is looked for",
	} {
		if strings.HasPrefix(name, prefix) {
			return "", errors.New(why)
		}
	}
	for _, prefix := range []string{"http.", "system.", "time.", "file."} {
		if strings.HasPrefix(name, prefix) {
			return "", nil
		}
	}
	first, last, _ := strings.Cut(name, ".")
	near := nearest.Name(first, shortNames)
	advice := "a part of the path is {path.0}, a header {header.X-Tenant}"
	if near != "" {
		if last != "" {
			near += "." + last
		}
		advice = fmt.Sprintf("did you mean {%s}?", near)
	}
	if !set {
		return "", fmt.Errorf("nothing in this configuration sets it, so that no request would have a tenant and each be answered 404; %s", advice)
	}
	return "nothing is known to set it; unless a handler before this route does, no request has a tenant and each is answered 404; " + advice, nil
}

// checkRequestPlaceholder looks at what comes after "http.request.", where all names are Caddy's own.
func checkRequestPlaceholder(name string) error {
	if slices.Contains(requestPlaceholders, name) {
		return nil
	}
	for _, prefix := range requestPrefixes {
		if strings.HasPrefix(name, prefix) && len(name) > len(prefix) {
			return nil
		}
	}
	for _, prefix := range numberedParts {
		if v, ok := strings.CutPrefix(name, prefix); ok {
			if n, err := strconv.Atoi(v); err == nil && n >= 0 {
				return nil
			}
			return fmt.Errorf("parts are counted from 0: {http.request.%s0}, or {%s0} in a Caddyfile for the first", prefix,
				prefix[strings.LastIndex(strings.TrimSuffix(prefix, "."), ".")+1:])
		}
	}
	if near := nearest.Name(name, requestPlaceholders); near != "" {
		return fmt.Errorf("no request has it; did you mean {http.request.%s}?", near)
	}
	return errors.New("no request has it; a part of the path is {http.request.uri.path.0}, a header {http.request.header.X-Tenant}")
}
