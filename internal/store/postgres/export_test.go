package postgres

import (
	"context"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

// Migrations are those of this program.
var Migrations fs.FS = migrations

// WithMigrations opens a store as a program does that has other migrations.
func WithMigrations(o Options, files fs.FS) Options {
	o.migrations = files
	return o
}

// Here has every name lead to this machine.
func Here(o Options) Options {
	o.lookup = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	return o
}

// Traced has what is read be told of.
func Traced(o Options, t pgx.QueryTracer) Options {
	o.tracer = t
	return o
}

// FewWait is up to how many waiting deliveries of a destination are read to find the oldest of them.
const FewWait = fewWait

// Secure is an address with what it does not say of how connections are secured, and what there is to warn of.
func Secure(address string) (secured, warning string, err error) {
	secured = secure(address)
	c, err := parseAddress(&Options{Address: secured})
	if err != nil {
		return secured, "", err
	}
	return secured, tlsWarning(c), nil
}

// Packs tells whether a store writes content in the form that programs before PackedSince cannot read.
func Packs(s *Store) bool { return s.packs.Load() }

// PackedSince is the version of the tables with which programs can.
const PackedSince = packedSince

// AcceptStatements are those of accepting, with how many arguments a batch has for each.
func (s *Store) AcceptStatements() map[string]int {
	list := map[string]int{}
	for kind, query := range s.sql.accept {
		n := acceptArgs
		if kind.subjects {
			n += 2
		}
		if kind.audited {
			n += 2
		}
		list[query] = n
	}
	return list
}
