package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Volume is what is known of the file system that a directory is on.
type Volume struct {
	// Kind is how it is called, such as ext4; empty where that is not known.
	Kind string
	// Network is set where it is on another machine, and Memory where it is gone when this one is turned off.
	Network, Memory bool
	// Free and Size are in bytes; Size is 0 where they are not known.
	Free, Size uint64
}

// probes is how often the disk is asked, and quick what no disk is that has to write: those with a battery or a capacitor
// take longer too.
const (
	probes = 15
	quick  = 40 * time.Microsecond
	slow   = 50 * time.Millisecond
)

// Store looks at where a store is, or is to be: file is its path.
func (r *Report) Store(file string, now func() time.Time) {
	dir := existing(filepath.Dir(file))
	v := volume(dir)
	r.addVolume(dir, v)
	if v.Memory {
		return // of that no more need be said
	}
	took, err := syncs(dir, now)
	if err != nil {
		r.Add("disk", Warning, dir, "it cannot be written to as this user: "+err.Error(), "run this as the user of the gateway, or give that user the directory")
		return
	}
	r.addSync(dir, took)
}

func (r *Report) addVolume(dir string, v Volume) {
	switch {
	case v.Memory:
		r.Add("disk", Wrong, dir, "the store is in memory ("+v.Kind+"): all calls are gone when the machine or the container stops", "put it on a disk, or a volume: store sqlite /var/lib/callgate/callgate.db")
	case v.Network:
		r.Add("disk", Wrong, dir, "the store is on a network file system ("+v.Kind+"), where locks and fsync do not do what SQLite needs", "use a local disk or a block volume, or store postgres")
	}
	if v.Size == 0 {
		return
	}
	const small = 1 << 30
	switch share := float64(v.Free) / float64(v.Size); {
	case v.Free < small/4 || share < 0.03:
		r.Add("disk", Wrong, dir, "nearly full: "+bytes(v.Free)+" of "+bytes(v.Size)+" are free", "make room, or set max_size and a shorter retention; a full disk is answered with 503")
	case v.Free < small || share < 0.1:
		r.Add("disk", Warning, dir, bytes(v.Free)+" of "+bytes(v.Size)+" are free", "make room, or set max_size")
	default:
		r.Add("disk", Fine, dir, bytes(v.Free)+" of "+bytes(v.Size)+" are free", "")
	}
}

func (r *Report) addSync(dir string, took time.Duration) {
	switch {
	case took < quick:
		r.Add("disk", Warning, dir, fmt.Sprintf("it says within %s that 4 KiB are on the disk, which no disk is able to do that has them when the power goes", took.Round(time.Microsecond)),
			"see that the volume does not ignore fsync (a virtual disk with cache=unsafe, eatmydata, nobarrier): what the gateway acknowledged would be lost")
	case took > slow:
		r.Add("disk", Warning, dir, fmt.Sprintf("it takes %s until 4 KiB are on the disk, and each acknowledgement waits for that", took.Round(time.Millisecond)), "use a disk that is not shared with much else, or a faster one")
	default:
		r.Add("disk", Fine, dir, fmt.Sprintf("4 KiB are on the disk within %s", took.Round(10*time.Microsecond)), "")
	}
}

// syncs is the median time until a few blocks are on the disk.
func syncs(dir string, now func() time.Time) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".callgate-doctor-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4096)
	all := make([]time.Duration, probes)
	for i := range all {
		if _, err := f.WriteAt(block, int64(i*len(block))); err != nil {
			return 0, err
		}
		began := now()
		if err := f.Sync(); err != nil {
			return 0, err
		}
		all[i] = now().Sub(began)
	}
	slices.Sort(all)
	return all[probes/2], nil
}

// existing is the directory, or the first above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func bytes(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for ; f >= unit && i < 4; i++ {
		f /= unit
	}
	return fmt.Sprintf("%.1f %s", f, []string{"KiB", "MiB", "GiB", "TiB", "PiB"}[i])
}
