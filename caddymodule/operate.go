package caddymodule

import "github.com/callgate/callgate/internal/operate"

// Operate gives what operators see and do with the store that this configuration uses; false if it has none open.
func (a *App) Operate() (*operate.Service, bool) {
	d := a.run.dispatcher.Load()
	if d == nil {
		return nil, false
	}
	return d.operate, true
}
