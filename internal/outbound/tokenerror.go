package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/oauth2"
)

// tokenError turns an error of the oauth2 package, which quotes the server's whole answer, into a *TokenError.
func tokenError(ctx context.Context, err error, host string) *TokenError {
	var (
		known    *TokenError
		answered *oauth2.RetrieveError
		ue       *url.Error
		network  net.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &answered):
		return refusedToken(answered, host)
	case errors.As(err, &ue), errors.As(err, &network), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e := explain(ctx, err, host)
		return &TokenError{text: "no access token: " + e.Error(), cause: e}
	case errors.Is(err, errSigning):
		return &TokenError{Refused: true, text: "no access token: " + errSigning.Error()}
	default:
		return &TokenError{text: "no access token: the token server's answer can not be read; check the token URL (" + host + ")"}
	}
}

// refusedToken reads the server's answer by status and error code alone: descriptions quote what was sent.
func refusedToken(answered *oauth2.RetrieveError, host string) *TokenError {
	e := &TokenError{Code: tame(answered.ErrorCode)}
	if answered.Response != nil {
		e.Status = answered.Response.StatusCode
	}
	var what strings.Builder
	what.WriteString("no access token: the token server answered ")
	what.WriteString(strconv.Itoa(e.Status))
	if e.Code != "" {
		what.WriteString(" " + e.Code)
	}
	switch {
	case e.Status >= 500, e.Status == http.StatusTooManyRequests, e.Status == http.StatusRequestTimeout,
		e.Code == "temporarily_unavailable", e.Code == "server_error", e.Code == "slow_down":
		what.WriteString("; it will be asked again")
	case e.Code == "invalid_grant":
		e.Refused = true
		what.WriteString("; the refresh token, assertion or user is no longer valid: authorize anew, then resume the destination")
	case e.Code == "invalid_scope":
		e.Refused = true
		what.WriteString("; correct the scopes, then resume the destination")
	case e.Status >= 300 && e.Status < 400:
		e.Refused = true
		what.WriteString("; redirects are not followed: correct the token URL, then resume the destination")
	default:
		e.Refused = true
		what.WriteString("; correct the client's id, secret or key, then resume the destination")
	}
	what.WriteString(" (" + host + ")")
	e.text = what.String()
	return e
}

// tame returns an error code as it may be shown: OAuth's are words with underscores. Anything else might be a value.
func tame(code string) string {
	if len(code) > 40 {
		return ""
	}
	for _, c := range []byte(code) {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	return code
}
