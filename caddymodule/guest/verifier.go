package guest

import "github.com/callgate/callgate/internal/signature"

// Verifier is a guest module in the namespace callgate.verifiers: one signature scheme with its options.
// Verifier is called once for each tenant, when the configuration is loaded.
type Verifier interface {
	Verifier(Keys) (SignatureVerifier, error)
}

// Described is a Verifier that says what is known of its scheme. Of any other it is assumed that it looks at the URL.
type Described interface {
	// SchemeName is the name by which logs and errors call the scheme; that of any other is guest.
	SchemeName() string
	// SignsURL reports whether the signature may cover the URL, which then has to be the one that the sender requested.
	SignsURL() bool
}

// Keys are what a verifier checks signatures with, placeholders resolved.
type Keys struct {
	// Secrets are accepted each by itself, the newest first.
	Secrets []string
	// PublicKeys likewise.
	PublicKeys []string
}

// What a verifier is made of, under names that other repositories can write.
type (
	// SignatureVerifier checks the signatures of messages. It is safe for concurrent use, compares in constant time, and
	// puts neither secrets nor parts of the body into its errors, which wrap one of those below.
	SignatureVerifier = signature.Verifier
	// Message is what is verified: the request as its sender saw it, its body byte for byte as it arrived.
	Message = signature.Message
	// Verified tells how a message was verified.
	Verified = signature.Result
)

// The reasons for which a message is refused.
var (
	ErrMissing   = signature.ErrMissing
	ErrInvalid   = signature.ErrInvalid
	ErrTimestamp = signature.ErrTimestamp
	ErrMalformed = signature.ErrMalformed
)
