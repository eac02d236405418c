package postgres

import "io/fs"

// Migrations are those of this program.
var Migrations fs.FS = migrations

// WithMigrations opens a store as a program does that has other migrations.
func WithMigrations(o Options, files fs.FS) Options {
	o.migrations = files
	return o
}
