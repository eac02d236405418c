//go:build !linux

package doctor

// volume is not known here.
func volume(string) Volume { return Volume{} }

// Clock cannot be looked at here.
func (r *Report) Clock() {
	r.Add("clock", Note, "", "whether the clock is kept right cannot be seen on this system", "see that it is set over the network")
}

// Limits cannot be looked at here.
func (r *Report) Limits(bool) {}
