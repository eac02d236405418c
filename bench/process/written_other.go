//go:build !linux

package process

import "os"

// written is not known here.
func written(*os.ProcessState) int64 { return 0 }
