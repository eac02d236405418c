package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of Open and of what comes later, wrapped with what can be done.
var (
	// ErrNewer means that the tables were made by a newer version, which older ones cannot work with.
	ErrNewer = errors.New("the tables in the database are of a newer version: run that version, or restore a backup from before the upgrade")
	// ErrOlderRun means that gateways run which could not work with the tables any more if these were brought up to date. They
	// are looked for again and again, so that nothing has to be done but to stop them.
	ErrOlderRun = errors.New("this version changes the tables in a way that gateways of older versions cannot bear, and these run: stop them, and this one goes on by itself")
	// ErrRights means that the user of the database may not do what is needed.
	ErrRights = errors.New("the database's user lacks a right: it has to own the schema, or be allowed to make one in the database (GRANT CREATE ON DATABASE); or name a user who may in migrate_address, and this one is given what it needs")
	// ErrOld means that the server is too old.
	ErrOld = errors.New("the server is older than PostgreSQL 14")
	// ErrNoStandby means that commits would wait for no standby though require_sync is set.
	ErrNoStandby = errors.New("synchronous_standby_names of the database is empty, so that no standby has what is acknowledged: name one, or leave require_sync out")
	// ErrReadOnly means that the server takes no writes.
	ErrReadOnly = errors.New("the database takes no writes (a standby, or default_transaction_read_only): name all servers in the address, with target_session_attrs=read-write")

	// ErrHalfMoved means that a store is being carried over into the tables, and is not all there.
	ErrHalfMoved = errors.New("a store was carried over into these tables in part: run callgate migrate again, which goes on where it stopped, or drop the schema")

	errSameID = errors.New("an event with this ID exists: make a new ULID for every request")
)

// code is the SQLSTATE of an error; empty if it is not the server's.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// outcome is what an error says of the transaction in which it came.
type outcome int

const (
	// committed: there was no error.
	committed outcome = iota
	// again: it was rolled back and may well work when it is repeated.
	again
	// atFault: it was rolled back for what was to be written, which will not do.
	atFault
	// refused: it was rolled back, and the store as a whole cannot write now.
	refused
	// unknown: it may have been committed, or may be yet.
	unknown
)

// judge tells what became of a transaction.
func judge(err error) outcome {
	if err == nil {
		return committed
	}
	c := code(err)
	switch {
	case c == "":
		if errors.Is(err, errWarned) {
			return unknown
		}
		if errors.Is(err, errTwice) || ours(err) {
			return atFault
		}
		if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok && connect != nil {
			return refused // it was not even sent
		}
		if errors.Is(err, errNotSent) {
			return refused
		}
		return unknown
	case c == "40001", c == "40P01", c == "55P03", c == "57014", c == "23514" && missingDay(err):
		return again
	case c == noStandby:
		return refused
	case placeTaken(err):
		return again
	case strings.HasPrefix(c, "22"), strings.HasPrefix(c, "23"), c == "54000":
		return atFault
	case strings.HasPrefix(c, "57P"), strings.HasPrefix(c, "08"), c == "40003", strings.HasPrefix(c, "58"), strings.HasPrefix(c, "XX"):
		return unknown
	}
	return refused
}

// missingDay tells whether a row found no partition.
func missingDay(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23514" && e.ConstraintName == ""
}

// placeTaken tells whether another process has appended to the audit log of this gateway's name.
func placeTaken(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && e.TableName == "audit_bundles"
}

// idTaken tells whether accepting failed since an event has the id of another one, whichever of the rows with it came first.
func idTaken(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && (e.TableName == "live" || strings.HasPrefix(e.TableName, "events_") || strings.HasPrefix(e.TableName, "payloads_") || strings.HasPrefix(e.TableName, "subjects_"))
}

// spent tells whether the connection should be closed after an error: it leads to a server that cannot do what is needed,
// while another one might.
func spent(err error) bool {
	switch code(err) {
	case "25006", "0A000", "57P01", "57P02", "57P03":
		return true
	case "":
		return err != nil && !errors.Is(err, errTwice) && !errors.Is(err, errWarned) && !ours(err)
	}
	return false
}

// Errors that only our own statements can cause.
const (
	noStandby = "22012"
	// keyDestroyed is that of the logarithm of nothing.
	keyDestroyed = "2201E"
)

// ours tells whether an error is the store's own word, and no news of the connection.
func ours(err error) bool {
	for _, own := range []error{store.ErrFull, store.ErrNotFound, store.ErrClosed, store.ErrConflict, store.ErrNoAudit, store.ErrAuditDamaged} {
		if errors.Is(err, own) {
			return true
		}
	}
	return group.Refused(err) || isSealError(err)
}

// errNotSent wraps errors from before anything was sent.
var errNotSent = errors.New("not connected")

// public turns an error into one of store's with what can be done about it.
func public(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && code(err) == "" && !isNet(err):
		return err
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrClosed):
		return err
	}
	if errors.Is(err, errTwice) {
		return errSameID
	}
	c := code(err)
	switch {
	case securing(err) != "":
		return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, securing(err), err)
	case c == "":
		if isNet(err) || errors.Is(err, errNotSent) || errors.Is(err, errWarned) {
			return fmt.Errorf("%w: its database cannot be reached: %w", store.ErrUnavailable, err)
		}
		return err
	case c == noStandby:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ErrNoStandby)
	case c == keyDestroyed:
		return errKeyLost
	case c == "53100":
		return fmt.Errorf("%w: make room on the database's disk, or shorten the retention: %w", store.ErrFull, err)
	case c == "53300":
		return fmt.Errorf("%w: the database has too many connections: raise max_connections, or give each gateway fewer (connections): %w", store.ErrUnavailable, err)
	case c == "25006":
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, ErrReadOnly, err)
	case c == "42501":
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, ErrRights, err)
	case c == "28P01", c == "28000":
		return fmt.Errorf("%w: the database refuses the user or the password: %w", store.ErrUnavailable, err)
	case strings.HasPrefix(c, "53"), strings.HasPrefix(c, "57"), strings.HasPrefix(c, "58"), strings.HasPrefix(c, "08"), strings.HasPrefix(c, "XX"),
		strings.HasPrefix(c, "40"), strings.HasPrefix(c, "42"), strings.HasPrefix(c, "3D"), strings.HasPrefix(c, "3F"), c == "55P03", c == "0A000":
		return fmt.Errorf("%w: the database says: %w", store.ErrUnavailable, err)
	}
	return err
}

func isNet(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) ||
		strings.Contains(err.Error(), "conn closed") || errors.Is(err, pgx.ErrTxClosed)
}

// securing is what is wrong with how a connection is secured, and what to do about it; empty if it is nothing of that.
func securing(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the database's server has a certificate that is not of " + e.Host + ": write the name that is in it into the address"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "nobody whom this machine trusts has signed the certificate of the database's server: name the file of its authority (sslrootcert=…)"
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "the certificate of the database's server is not valid: see that it is renewed"
	}
	switch text := err.Error(); {
	case strings.Contains(text, "server refused TLS connection"):
		return "the database's server takes no encrypted connections: turn ssl on there, or write sslmode=disable if nobody else can read the network in between"
	case code(err) == "28000" && (strings.Contains(text, "no encryption") || strings.Contains(text, "SSL off")):
		return "the database's server takes encrypted connections only: write sslmode=verify-full"
	}
	return ""
}

// lasting tells whether an error of connecting is one that a person has to mend, and not one that passes.
func lasting(err error) bool {
	if errors.Is(err, ErrNewer) || errors.Is(err, ErrOld) || errors.Is(err, ErrHalfMoved) {
		return true
	}
	switch code(err) {
	case "28P01", "28000", "3D000", "42501", "3F000":
		return true
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return false // it passes when a new one is there
	}
	return securing(err) != ""
}
