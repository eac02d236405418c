//go:build !unix

package commands

import "errors"

// deviceOf cannot be told here.
func deviceOf(string, string) (bool, error) { return false, errors.ErrUnsupported }
